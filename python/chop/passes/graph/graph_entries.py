"""Metadata of a whole graph: the nodes at its ends, and what goes into and comes out of them."""

from __future__ import annotations

from typing import Any

from torch import fx

from chop.ir.graph import MaseGraph
from chop.ir.graph.op_rows import IMPLICIT
from chop.passes.graph.node_inputs import recorded_result, tensor_inputs
from chop.passes.graph.precision import copy_format

ENDS = ("placeholder", "output", "get_attr")


def graph_entries(graph: MaseGraph) -> dict[str, Any]:
    """Return nodes_in, nodes_out, args and results: the first and last nodes that compute.

    An argument has the number format in which the last of its readers takes it (MASE's behaviour).

    Args:
        graph: a graph whose nodes have common metadata.
    """
    implicit = {node for node in graph.nodes if node.meta["mase"]["common"]["mase_type"] in (*ENDS, IMPLICIT)}
    # A node "behind" the input is fed by nothing but placeholders and reshapes of them.
    behind_input = {node for node in implicit if node.op == "placeholder"}
    for node in graph.nodes:
        if node in implicit and node.all_input_nodes and set(node.all_input_nodes) <= behind_input:
            behind_input.add(node)
    nodes_in = [n for n in graph.nodes if n not in implicit and set(n.all_input_nodes) & behind_input]
    before_output = {node for node in implicit if node.op == "output"}
    for node in reversed(graph.nodes):
        if node in implicit and node.users and set(node.users) <= before_output:
            before_output.add(node)
    nodes_out = [n for n in graph.nodes if n not in implicit and set(n.users) & before_output]
    args = {f"data_in_{i}": entry for i, entry in enumerate(_arguments(nodes_in, behind_input).values())}
    results = {f"data_out_{i}": dict(recorded_result(node) or {}) for i, node in enumerate(nodes_out)}
    return {"nodes_in": nodes_in, "nodes_out": nodes_out, "args": args, "results": results}


def _arguments(nodes_in: list[fx.Node], behind_input: set[fx.Node]) -> dict[fx.Node, dict[str, Any]]:
    found: dict[fx.Node, dict[str, Any]] = {}
    for node in nodes_in:
        taken = node.meta["mase"]["common"]["args"]
        for index, source in enumerate(tensor_inputs(node)):
            if source in behind_input:
                entry = found.setdefault(source, dict(recorded_result(source) or {}))
                read_as = taken.get(f"data_in_{index}", {})
                if "precision" in read_as:
                    copy_format(entry, read_as)
    return found
