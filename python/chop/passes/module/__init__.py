"""Passes on plain modules."""

from __future__ import annotations

from chop.passes.module.analysis import calculate_avg_bits_module_analysis_pass

__all__ = ["calculate_avg_bits_module_analysis_pass"]
