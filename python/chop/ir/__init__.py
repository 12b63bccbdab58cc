"""The graph of a model: structure by torch.fx, facts in ``node.meta["mase"]``."""

from __future__ import annotations

from chop.ir.graph import MaseGraph, MaseMetadata, MaseTracer

__all__ = ["MaseGraph", "MaseMetadata", "MaseTracer"]
