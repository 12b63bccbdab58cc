"""Work of modules and of whole graphs, in floating-point and in bit operations."""

from __future__ import annotations

from chop.passes.graph.analysis.flop_estimator.add_flops_bitops import add_flops_bitops_analysis_pass
from chop.passes.graph.analysis.flop_estimator.calculator import calculate_modules

__all__ = ["add_flops_bitops_analysis_pass", "calculate_modules"]
