"""Which arguments of a node are tensors, and how metadata names the others."""

from __future__ import annotations

import functools
import inspect
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import fx, nn

from chop.ir.graph.mase_metadata import MaseMetadata
from chop.ir.graph.op_rows import BUILTIN
from chop.ir.graph.ops import find_row
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
    names: Iterable[str] | None = None
    if node.op == "call_function":
        names = _signature_names(node.target)
    if names is None:
        # The first argument is what the call is about; places count from the first one after it that is no
        # tensor (nor an absent one).
        rest = list(node.args[1:] if _nodes_in(node.args[:1]) else node.args)
        if row.mase_type == BUILTIN and _is_number(node.args[:1]):  # 2 - x
            named["input"], rest = _plain(node.args[0]), list(node.args[1:])
        rest = list(itertools.dropwhile(lambda value: value is None or _holds_tensor(value), rest))
        beyond = (f"{row.varargs}_{index}" for index in itertools.count())
        names = itertools.chain(row.params, beyond)
    else:
        rest = list(node.args)
    for name, value in zip(names, rest, strict=False):
        if not _holds_tensor(value) and value is not None:
            named[name] = _plain(value)
    for name, value in node.kwargs.items():
        private = name.startswith("_") or (name == "config" and quantized_function_op(node.target))
        if not _holds_tensor(value) and not private:
            named[name] = _plain(value)
    return named


@functools.cache
def _signature_names(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """The names of a Python function's parameters; None for a built-in one, or one that takes anything."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    plain = all(p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY) for p in parameters)
    return tuple(p.name for p in parameters) if plain and inspect.isfunction(function) else None


def _is_number(first: tuple[Any, ...]) -> bool:
    return bool(first) and not isinstance(first[0], str) and not _holds_tensor(first[0])


def hides_tensor_input(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """True for ``x.view`` and ``x.size``, whose common metadata lists no ``data_in_0`` (as in MASE)."""
    return node.op == "call_method" and node.target in ("view", "size")


def recorded_result(node: fx.Node, index: int = 0) -> dict[str, Any] | None:
    """Return a ``data_out_<index>`` entry of a node's common metadata, None before the common pass."""
    meta = node.meta.get("mase")
    if not isinstance(meta, MaseMetadata):
        return None
    return meta["common"].get("results", {}).get(f"data_out_{index}")


def taken_result(node: fx.Node) -> int:
    """Return which result of its source a node takes: the index of ``chunks[1]``, else 0."""
    several = node.target is operator.getitem and isinstance(node.args[1], int)
    if several and recorded_result(node.all_input_nodes[0], 1) is not None:
        count = len(node.all_input_nodes[0].meta["mase"]["common"]["results"])
        return int(node.args[1]) % count  # type: ignore[arg-type]
    return 0


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
