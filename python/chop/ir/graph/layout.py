"""Calls that read how a tensor lies in memory, and those that give a tensor another shape in place."""

from __future__ import annotations

from functools import cache

import torch
from torch import fx

from chop.ir.graph.ops import source_text
from chop.tools.errors import ConfigError

# By strides, storage or address: two tensors of the same numbers may give two answers.
_READERS = frozenset(
    {
        "as_strided", "as_strided_", "as_strided_copy", "as_strided_scatter", "data_ptr", "dim_order",
        "is_contiguous", "is_non_overlapping_and_dense", "is_set_to", "is_shared", "resize_", "resize_as_", "set_",
        "storage", "storage_offset", "stride", "untyped_storage", "_base", "_is_view", "_version",
    }
)  # fmt: skip


@cache
def reshapes(name: str) -> bool:
    """Whether a call of that name gives its tensor another shape in place: torch's own word.

    >>> reshapes("unsqueeze_"), reshapes("resize_"), reshapes("relu_"), reshapes("squeeze")
    (True, True, False, False)
    """
    if not name.isidentifier() or not name.endswith("_") or name.endswith("__"):
        return False
    operators = getattr(torch.ops.aten, name, None)
    return operators is not None and any(
        torch.Tag.inplace_view in getattr(operators, form).tags for form in operators.overloads()
    )


def name_of(node: fx.Node) -> str:
    """Return the name of the method or function that a node calls, of the attribute that it reads, or nothing.

    >>> graph = fx.Graph()
    >>> h = graph.placeholder("h")
    >>> name_of(graph.call_function(torch.ops.aten.squeeze_, (h,))), name_of(graph.call_method("t", (h,)))
    ('squeeze_', 't')
    """
    if node.op == "call_method":
        return str(node.target)
    if node.op != "call_function":
        return ""
    if node.target is getattr:
        return str(node.args[1])
    name = getattr(node.target, "__name__", "")
    packet = getattr(node.target, "overloadpacket", None)  # one form of an operator
    return str(getattr(packet, "__name__", name))


def is_method_or_twin(node: fx.Node, name: str) -> bool:
    """Whether a node calls a tensor's method of that name, or the function of torch that takes the same arguments.

    ``F.unfold`` and ``torch.linalg.diagonal`` share their names with methods that do something else.
    """
    if node.op == "call_method":
        return True
    target = getattr(node.target, "overloadpacket", node.target)
    return target in (getattr(place, name, None) for place in (torch, torch.ops.aten, torch.Tensor))


def refuse_layout(graph: fx.Graph, where: str) -> None:
    """Raise ConfigError for a node that reads how its input lies in memory: values of nodes have no place there.

    Args:
        graph: any graph.
        where: opens the message.

    >>> graph = fx.Graph()
    >>> _ = graph.output(graph.call_method("stride", (graph.placeholder("h"), 0)))
    >>> refuse_layout(graph, "lower")
    Traceback (most recent call last):
    chop.tools.errors.ConfigError: lower: node stride reads how a tensor lies in memory (stride), which is laid out \
anew here; use view, reshape, narrow or unfold, which go by numbers alone
    """
    for node in graph.nodes:
        name = name_of(node)
        if name in _READERS:
            raise ConfigError(
                f"{where}: node {node.name}{source_text(node)} reads how a tensor lies in memory ({name}), which is "
                "laid out anew here; use view, reshape, narrow or unfold, which go by numbers alone"
            )
