"""The graph as text: nodes, counts and layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chop.ir.graph import MaseGraph
from chop.passes.graph.registry import pass_table, path_argument, register_pass
from chop.tools.atomic_write import atomic_write
from chop.tools.writer import write_line

_OPS = ("placeholder", "get_attr", "call_function", "call_method", "call_module", "output")


@register_pass("report_graph", "analysis")
def report_graph_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Write the fx graph, the number of nodes of each kind and the layers.

    Args:
        graph: any traced graph.
        pass_args: ``file_name`` (a path; None or left out prints instead).
    """
    counts = dict.fromkeys(_OPS, 0)
    layers = []
    for node in graph.nodes:
        counts[node.op] += 1
        if node.op == "call_module":
            layers.append(graph.model.get_submodule(str(node.target)))
    text = f"{graph.fx_graph}\nNetwork overview:\n{counts}\nLayer types:\n{layers}"
    arguments = pass_table(pass_args, "report_graph")
    if arguments.get("file_name") is None:
        write_line(text)
    else:
        atomic_write(path_argument(arguments, "file_name", "report_graph"), text)
    return graph, {}
