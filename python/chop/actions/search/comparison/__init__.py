"""Several samplers on one space, and how far each stays from the true optimum."""

from __future__ import annotations

from chop.actions.search.comparison.compare import SamplerComparison, compare_samplers

__all__ = ["SamplerComparison", "compare_samplers"]
