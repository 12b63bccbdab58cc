"""Empty metadata on every node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chop.ir.graph import MaseGraph, MaseMetadata
from chop.passes.graph.registry import register_pass


@register_pass("init_metadata", "analysis")
def init_metadata_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Put a fresh :class:`MaseMetadata` on each node and on the graph; what was there is dropped.

    Args:
        graph: any traced graph, quantized or not.
        pass_args: unused.
    """
    for node in graph.nodes:
        node.meta["mase"] = MaseMetadata(node, graph.model)
    graph.meta["mase"] = MaseMetadata(None, graph.model)
    return graph, {}
