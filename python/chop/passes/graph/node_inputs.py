"""Which arguments of a node are tensors, and how metadata names the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import fx, nn

from chop.ir.graph.mase_metadata import MaseMetadata
from chop.ir.graph.ops import BUILTIN, IMPLICIT, find_row
from chop.nn.quantized.functional import quantized_function_op


def tensor_inputs(node: fx.Node) -> list[fx.Node]:
    """Return the nodes that feed tensors to ``node``, in the order of its arguments, repetitions included."""
    return [source for source in _nodes_in((node.args, node.kwargs)) if not _is_known_scalar(source)]


def named_arguments(node: fx.Node, modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Return the arguments of a function or method that are no tensors, under their own names."""
    row = find_row(node, modules)
    if row is None or node.op == "call_module":
        return {}
    named: dict[str, Any] = {}
    if row.mase_type == BUILTIN and node.args and not _holds_tensor(node.args[0]):  # 2 - x
        named["input"] = _plain(node.args[0])
    rest = list(node.args[1:])  # the first one is the tensor
    while rest and _holds_tensor(rest[0]):  # a second operand takes the place of no parameter
        rest.pop(0)
    for index, value in enumerate(rest):
        name = row.params[index] if index < len(row.params) else f"{row.varargs}_{index - len(row.params)}"
        if not _holds_tensor(value):
            named[name] = _plain(value)
    for name, value in node.kwargs.items():
        if not _holds_tensor(value) and not (name == "config" and quantized_function_op(node.target)):
            named[name] = _plain(value)
    return named


def hides_tensor_input(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """True for methods that only reshape, whose common metadata lists no ``data_in_0`` (as in MASE)."""
    row = find_row(node, modules)
    return node.op == "call_method" and row is not None and row.mase_type == IMPLICIT


def recorded_result(node: fx.Node) -> dict[str, Any] | None:
    """Return the ``data_out_0`` entry of a node's common metadata, None before the common pass."""
    meta = node.meta.get("mase")
    if not isinstance(meta, MaseMetadata):
        return None
    return meta["common"].get("results", {}).get("data_out_0")


def _is_known_scalar(node: fx.Node) -> bool:
    entry = recorded_result(node)
    return entry is not None and "precision" not in entry


def _holds_tensor(value: Any) -> bool:
    return any(not _is_known_scalar(source) for source in _nodes_in(value))


def _nodes_in(value: Any) -> list[fx.Node]:
    found: list[fx.Node] = []

    def visit(source: fx.Node) -> fx.Node:
        found.append(source)
        return source

    fx.map_arg(value, visit)
    return found


def _plain(value: Any) -> Any:
    """A node that stands for a number becomes that number."""

    def look_up(source: fx.Node) -> Any:
        entry = recorded_result(source)
        return entry["value"] if entry is not None and "value" in entry else source

    return fx.map_arg(value, look_up)
