"""``MaseGraph``, its tracer and its metadata."""

from __future__ import annotations

from chop.ir.graph.mase_graph import MaseGraph, MaseTracer
from chop.ir.graph.mase_metadata import MaseMetadata

__all__ = ["MaseGraph", "MaseMetadata", "MaseTracer"]
