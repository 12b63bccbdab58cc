"""Comparing two graphs node by node: :func:`chop.compare`."""

from __future__ import annotations

from chop.comparison.difference import Place, Tolerance
from chop.comparison.result import Comparison, NodeDifference
from chop.comparison.run import compare

__all__ = ["Comparison", "NodeDifference", "Place", "Tolerance", "compare"]
