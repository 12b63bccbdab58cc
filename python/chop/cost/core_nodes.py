"""Nodes as the core knows them: their operation, their attributes, and the shape of their result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, fx

from chop import _core
from chop.ir.graph.lowering import Lowering
from chop.ir.graph.lowering_call import BATCH, Lowered
from chop.ir.graph.mase_graph import MaseGraph


class HasValue(Protocol):
    """What a walk keeps of a node."""

    @property
    def value(self) -> Any:
        """Its result."""


class CoreNodes(Lowering):
    """What nodes become in the core, with the shapes of a walk.

    Args:
        mg: the graph.
        seen: node -> its result; it may grow while nodes are asked for.
    """

    def __init__(self, mg: MaseGraph, seen: Mapping[str, HasValue]) -> None:
        super().__init__(mg, None, values=False)
        self.seen = seen

    def of(self, node: fx.Node) -> Lowered | None:
        """Return what the node becomes; None where the core does not know it."""
        if node.op not in ("call_module", "call_function", "call_method"):
            return None
        try:
            return self._lowered(node)
        except (ValueError, TypeError, IndexError, AttributeError, KeyError):
            return None

    def result(self, node: fx.Node) -> Tensor | None:
        """Return the node's result on the meta device, which the core's rules of shapes give much faster than torch.

        None where the core does not know the node or refuses its shapes: torch then says what is wrong.
        """
        made = self.of(node)
        if made is None or made.op in _TAKES_SIZES or any(name not in self.seen for name in made.inputs):
            return None
        inputs = [self.seen[name].value for name in made.inputs]
        if not all(isinstance(x, Tensor) and x.is_floating_point() and x.dim() > 0 for x in inputs):
            return None
        first, dtype = inputs[0].shape[0], inputs[0].dtype
        if any(x.shape[0] != first or x.dtype != dtype or 0 in x.shape for x in inputs):
            return None
        try:
            shape = _shape(made, [[BATCH, *x.shape[1:]] for x in inputs])
        except (ValueError, TypeError):
            return None
        return torch.empty([first if n == BATCH else n for n in shape], dtype=dtype, device="meta")

    def _size(self, value: Any) -> int:
        return int(self.seen[value.name].value) if isinstance(value, fx.Node) else int(value)

    def _shape_of(self, value: Any) -> list[int]:
        return list(self.seen[value.name].value.shape)


# What the core takes a size of -1 for, the batch, is to torch what is left.
_TAKES_SIZES = frozenset({"view", "slice", "pad", "upsample_nearest", "opaque"})


def _shape(made: Lowered, inputs: list[list[int]]) -> list[int]:
    """The core's shape of a result; the inputs have the batch first."""
    builder = _core.GraphBuilder()
    names = [f"x{i}" for i in range(len(inputs))]
    for name, shape in zip(names, inputs, strict=True):
        builder.add(name, "input", [], {}, {}, shape)
    sizes = {name: list(getattr(tensor, "shape", tensor)) for name, tensor in made.parameters.items()}
    builder.add("result", made.op, names, made.attributes, sizes, [])
    return builder.shape_of("result")
