"""Places for statistics: one empty ``stat`` for each tensor of each node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import fx, nn

from chop.ir.graph import MaseGraph
from chop.passes.graph.analysis.init_metadata import init_metadata_analysis_pass
from chop.passes.graph.node_inputs import tensor_inputs
from chop.passes.graph.registry import register_pass


@register_pass("add_software_metadata", "analysis")
def add_software_metadata_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Fill ``software`` of each node: ``{"stat": {}}`` for inputs, parameters, buffers and results.

    Args:
        graph: any traced graph.
        pass_args: unused.
    """
    modules = graph.modules
    if any("mase" not in node.meta for node in graph.nodes):
        init_metadata_analysis_pass(graph)
    for node in graph.nodes:
        entries: dict[str, Any] = {}
        if node.op not in ("placeholder", "get_attr"):
            entries["args"] = {name: {"stat": {}} for name in _tensor_names(node, modules)}
        if node.op != "output":
            count = max(1, len(node.meta["mase"]["common"].get("results", {})))
            entries["results"] = {f"data_out_{index}": {"stat": {}} for index in range(count)}
        node.meta["mase"]["software"] = entries
    return graph, {}


def _tensor_names(node: fx.Node, modules: Mapping[str, nn.Module]) -> list[str]:
    names = [f"data_in_{index}" for index in range(len(tensor_inputs(node)))]
    if node.op == "call_module":
        module = modules[str(node.target)]
        names += [name for name, _ in module.named_parameters()]
        # The counter of batches is no weight: statistics of it say nothing.
        names += [
            name for name, _ in module.named_buffers() if name.rpartition(".")[2] != "num_batches_tracked"
        ]
    return names
