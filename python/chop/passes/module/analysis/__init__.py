"""Passes that look at a module."""

from __future__ import annotations

from chop.passes.module.analysis.calculate_avg_bits import calculate_avg_bits_module_analysis_pass

__all__ = ["calculate_avg_bits_module_analysis_pass"]
