"""Every configuration of a space instead of a sample: :func:`sweep`, and what a quantization space is."""

from __future__ import annotations

from chop.search.pareto import pareto_front
from chop.search.quantization_space import QuantizationSpace
from chop.search.report import SweepReport
from chop.search.walk import sweep

__all__ = ["QuantizationSpace", "SweepReport", "pareto_front", "sweep"]
