"""What costs can be asked of, and the one place where its inputs are chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from chop.cost.inputs import Example, Inputs, Shapes, from_example, from_shapes
from chop.ir.graph.mase_graph import MaseGraph
from chop.tools.errors import ConfigError


@runtime_checkable
class HasGraphAndData(Protocol):
    """An ``Evaluator``: its graph and its rows."""

    graph: MaseGraph
    _x: Any


Source = MaseGraph | nn.Module | HasGraphAndData


def source_of(
    mg: Source, batch: int | Example | None, x: Example | None, input_shapes: Shapes | None
) -> tuple[MaseGraph, Callable[[], Inputs]]:
    """Return the graph, and what gives its inputs when they are needed.

    Raises:
        ConfigError: arguments that contradict each other, or a batch that is no whole number of 1 or more.
        TypeError: ``mg`` is nothing that has a cost.
    """
    if batch is not None and not isinstance(batch, int):
        if x is not None:
            raise ConfigError(
                "cost: two examples are given, one in the place of the batch and one as x; pass one"
            )
        batch, x = None, batch
    if isinstance(batch, bool) or (batch is not None and batch < 1):
        raise ConfigError(f"cost: the batch must be 1 or more, got {batch}")
    if x is not None and input_shapes is not None:
        raise ConfigError("cost: pass an example or input_shapes, not both; the example tells the shapes")
    if isinstance(mg, HasGraphAndData) and not isinstance(mg, (MaseGraph, nn.Module)):
        if x is not None or input_shapes is not None:
            raise ConfigError(
                "cost: an evaluator has its own data; leave x and input_shapes out, or pass its graph"
            )
        graph, rows = mg.graph, mg._x
        return graph, lambda: _of_evaluator(graph, rows, batch or 1)
    graph = mg if isinstance(mg, MaseGraph) else MaseGraph(mg)
    if x is None:
        return graph, lambda: from_shapes(graph, batch or 1, input_shapes)
    example = x
    return graph, lambda: _of_example(graph, example, batch)


def _of_example(graph: MaseGraph, x: Example, batch: int | None) -> Inputs:
    found = from_example(graph, x)
    if batch is not None and batch != found.batch:
        raise ConfigError(
            f"cost: the example has {found.batch} rows and the batch is {batch}; leave the batch out"
        )
    return found


def _of_evaluator(graph: MaseGraph, rows: Any, batch: int) -> Inputs:
    """The first rows of its data, or as many of that shape."""

    def some(tensor: Tensor) -> Tensor:
        if batch <= len(tensor):
            return tensor[:batch]
        return torch.empty(batch, *tensor.shape[1:], dtype=tensor.dtype, device="meta")

    x = tuple(map(some, rows)) if isinstance(rows, (tuple, list)) else some(rows)
    return from_example(graph, x, "the evaluator's data")
