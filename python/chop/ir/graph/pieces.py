"""Calls that give several tensors, and the nodes that take one of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph.layout import name_of
from chop.ir.graph.own_code import own_code
from chop.ir.graph.proxies import IN_PLACE
from chop.ir.graph.write_view import STEPS
from chop.nn.quantized.functional import quantized_function_op
from chop.nn.quantized.quantized_module import QuantizedModule

_PAIRS = (nn.RNNBase, nn.LSTMCell, nn.MultiheadAttention)
_ONE = ("",)
_NAMES = {"input": "self", "axis": "dim", "keepdims": "keepdim"}  # as torch's schemas have them
_FIRST_ARGUMENTS = frozenset({"x", "a", "tensor"})


def piece_of(node: fx.Node, modules: Mapping[str, nn.Module]) -> tuple[fx.Node, Any] | None:
    """Return the call whose results a node takes one of, and which; None if it takes none, or nobody knows.

    >>> graph = fx.Graph()
    >>> sort = graph.call_method("sort", (graph.placeholder("h"), 1))
    >>> piece_of(graph.call_function(getattr, (sort, "values")), {})
    (sort, 0)
    >>> piece_of(graph.call_function(operator.getitem, (sort, -2)), {})
    (sort, 0)
    """
    if node.target not in (operator.getitem, getattr) or node.op != "call_function":
        return None
    source, key = node.args[0], node.args[1]
    names = results(source, modules) if isinstance(source, fx.Node) else None
    if names is None or len(names) < 2 or not isinstance(source, fx.Node):
        return None
    if isinstance(key, str):
        return (source, names.index(key)) if key in names else None
    return (source, key % len(names)) if type(key) is int and -len(names) <= key < len(names) else None


def results(node: fx.Node, modules: Mapping[str, nn.Module]) -> tuple[str, ...] | None:
    """Return the names of what a node gives, one for each tensor; empty texts where it has none, None if unknown."""
    if node.op == "call_module":
        return _of_module(modules.get(str(node.target)))
    if node.op == "call_method":
        return _of_schemas(node, str(node.target))
    if node.op != "call_function":
        return _ONE
    target: Any = node.target
    if target is operator.getitem:
        return _of_item(node, modules)
    if target is getattr or target in IN_PLACE or quantized_function_op(target) is not None:
        return _ONE
    package = (getattr(target, "__module__", None) or "torch").partition(".")[0]
    if package == "torch":
        return _of_schemas(node, name_of(node))
    return _ONE if package in ("chop", "_operator", "math") else None


def _of_module(module: nn.Module | None) -> tuple[str, ...] | None:
    if isinstance(module, QuantizedModule):
        return _ONE
    if (
        module is None
        or not type(module).__module__.startswith("torch.nn")
        or own_code(module, (type(module),))
    ):
        return None
    several = isinstance(module, _PAIRS) or getattr(module, "return_indices", False) is True
    return ("", "") if several else _ONE


def _of_item(node: fx.Node, modules: Mapping[str, nn.Module]) -> tuple[str, ...] | None:
    source = node.args[0]
    if not isinstance(source, fx.Node):
        return None
    module = modules.get(str(source.target)) if source.op == "call_module" else None
    if isinstance(module, nn.LSTM) and node.args[1] in (1, -1):
        return ("", "")  # the states of its cells and of its outputs
    return _ONE if results(source, modules) is not None else None


def _of_schemas(node: fx.Node, name: str) -> tuple[str, ...] | None:
    if node.kwargs.get("return_indices") is True or name.endswith("_with_indices"):
        return ("", "")
    if name in STEPS:
        return _ONE  # views, also where there are several
    known = [each for each in schemas(name) if _takes_tensor(each)]
    found = {_names(each) for each in known if _fits(node, each)} or {_names(each) for each in known}
    if found:
        return next(iter(found)) if len(found) == 1 else None
    module = getattr(node.target, "__module__", "") if node.op == "call_function" else "torch"
    return _ONE if module in ("torch", "torch.nn.functional") else None


def _takes_tensor(schema: Any) -> bool:
    first = [str(each.type) for each in schema.arguments[:1]]
    written = any(each.alias_info is not None and each.alias_info.is_write for each in schema.arguments)
    return (first == ["Tensor"] and not any(map(_is_out, schema.arguments))) or (
        first == ["List[Tensor]"] and not written
    )


def _is_out(argument: Any) -> bool:
    return argument.kwarg_only and argument.alias_info is not None and argument.alias_info.is_write


def _names(schema: Any) -> tuple[str, ...] | None:
    if any(str(each.type) != "Tensor" for each in schema.returns):
        return None
    return tuple(each.name or "" for each in schema.returns) or _ONE


def _fits(node: fx.Node, schema: Any) -> bool:
    """Whether a call may be of this form of the function."""
    arguments = {each.name: each for each in schema.arguments}
    by_place = [each for each in schema.arguments if not each.kwarg_only]
    given = dict(zip((each.name for each in by_place), node.args, strict=False))
    for name, value in node.kwargs.items():
        plain = by_place[0].name if name in _FIRST_ARGUMENTS and by_place else name
        given[name if name in arguments else _NAMES.get(name, plain)] = value
    if len(node.args) > len(by_place) or not given.keys() <= arguments.keys():
        return False
    if any(name not in given and not each.has_default_value() for name, each in arguments.items()):
        return False
    return not any(
        str(arguments[name].type) in ("Tensor", "Optional[Tensor]") and not _may_be_tensor(value)
        for name, value in given.items()
    ) and not any(isinstance(given[n], fx.Node) and str(arguments[n].type) == "bool" for n in given)


def _may_be_tensor(value: Any) -> bool:
    return value is None or isinstance(value, fx.Node | torch.Tensor)


@cache
def schemas(name: str) -> tuple[Any, ...]:
    """Torch's own words about the operator of a name: its forms."""
    get: Callable[[str], Any] = torch._C._jit_get_schemas_for_operator
    return tuple(get(f"aten::{name}")) if name.isidentifier() else ()
