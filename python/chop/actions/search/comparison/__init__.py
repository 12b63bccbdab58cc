"""Several samplers on one space, and how far each stays from the true optimum."""

from __future__ import annotations

from chop.actions.search.comparison.compare import compare_samplers
from chop.actions.search.comparison.result import SamplerComparison

__all__ = ["SamplerComparison", "compare_samplers"]
