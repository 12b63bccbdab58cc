"""What the core does not know becomes the operation ``opaque``: decided on a few rows of real data."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from chop.ir.graph.lowering_call import plain_tensor
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.node_call import NodeCall, Snapshot
from chop.ir.graph.root_call import is_fixed_input

_MOST_ROWS, _FEWEST_ROWS = 61, 4
_RELATIVE, _ABSOLUTE = 1e-4, 1e-6  # sums in torch depend a little on the number of rows


class OpaqueNodes:
    """Turns nodes that the core does not know into ``opaque`` ones.

    It is for :func:`~chop.ir.graph.lowering_opaque.lower_with_torch`.

    Args:
        mg: a traced model with one input. It is copied.
        x: data for it, rows first. Some rows are run through the model, if there is a node to decide.
        names: nodes to make opaque although the core has an operation for them.
    """

    def __init__(self, mg: MaseGraph, x: Tensor, names: Collection[str] = ()) -> None:
        self.snapshot = Snapshot(mg)
        self.names = frozenset(names)
        self._needed = _ancestors(self.snapshot)
        rows = _some_rows(x)
        # Two runs of different size tell the batch from the other sizes.
        self._runs = [_Run(self.snapshot, rows), _Run(self.snapshot, rows[: len(rows) // 2])]

    def row_shape(self, name: str) -> list[int] | None:
        """Shape of a node's value without the batch; None if it is no float32 tensor with the batch first,
        or if nobody needs it.

        Raises:
            ValueError: torch cannot compute the node.
        """
        if name not in self._needed:
            return None
        values = [run.value(name) for run in self._runs]
        for value, run in zip(values, self._runs, strict=True):
            if not isinstance(value, Tensor) or value.dtype != torch.float32 or value.dim() == 0:
                return None
            if value.shape[0] != run.rows:
                return None
        shape = list(values[0].shape[1:])
        return shape if shape == list(values[1].shape[1:]) and 0 not in shape else None

    def inputs(self, name: str, known: Collection[str]) -> list[str]:
        """Names of the ``known`` nodes that an opaque node reads.

        Raises:
            ValueError: a row of its value depends on other rows or on chance, or it overwrites what others
                read.
        """
        _, inputs = self.snapshot.folded(name, known)
        values = [self._runs[0].value(each) for each in inputs]
        call = NodeCall(self.snapshot, name, inputs)
        try:
            with torch.inference_mode(), torch.random.fork_rng(devices=[]):
                self._check(name, call, inputs, values)
        except RuntimeError as error:
            raise self._refusal(name, f"fails on a part of the rows: {error}") from error
        return inputs

    def _check(self, name: str, call: NodeCall, inputs: Sequence[str], values: Sequence[Tensor]) -> None:
        given, before = [value.clone() for value in values], torch.get_rng_state()
        whole = _copied(call(given))
        draws = not torch.equal(before, torch.get_rng_state())
        for source, value, before in zip(inputs, given, values, strict=True):
            if not _close(value, before) and self.snapshot.has_later_reader(source, name):
                raise self._refusal(name, f"overwrites the value of {source}, which others read")
        again = _copied(call([value.clone() for value in values]))
        # What draws random numbers may show nothing of them on these rows: a dropout of zeros.
        if not _close(again, whole) or (draws and _differs_somewhere(call, values)):
            raise self._refusal(name, "depends on chance: two calls with the same rows differ")
        cut = len(whole) // 3
        parts = [
            _copied(call([value[rows].clone() for value in values]))
            for rows in (slice(cut), slice(cut, None))
        ]
        if not _close(torch.cat(parts), whole):
            raise self._refusal(name, "mixes the rows of a batch: parts of the data give other values")

    def _refusal(self, name: str, why: str) -> ValueError:
        return ValueError(f"evaluator: node {self.snapshot.describe(name)} {why}")


class _Run:
    """Some rows on their way through the model, node by node as they are asked for."""

    def __init__(self, snapshot: Snapshot, x: Tensor) -> None:
        self.rows = len(x)
        self._snapshot, self._x = snapshot, x
        self._values: dict[str, Any] = {}
        self._order: Iterator[str] = iter(snapshot.nodes)

    def value(self, name: str) -> Any:
        while name not in self._values:
            each = next(self._order)
            with torch.inference_mode(), torch.random.fork_rng(devices=[]):
                self._values[each] = self._compute(each)
        return self._values[name]

    def _compute(self, name: str) -> Any:
        node = self._snapshot.nodes[name]
        if node.op == "placeholder":
            return node.args[0] if is_fixed_input(node) else self._x
        sources = [self._snapshot.names[source] for source in node.all_input_nodes]
        # Layers that work in place must not change what is kept.
        values = [_copied(self._values[source]) for source in sources]
        try:
            return _copied(NodeCall(self._snapshot, name, sources)(values))
        except Exception as error:
            what = self._snapshot.describe(name)
            raise ValueError(f"evaluator: node {what} fails in torch: {error}") from error


def _differs_somewhere(call: NodeCall, values: Sequence[Tensor]) -> bool:
    other = [torch.rand_like(value) + 0.5 for value in values]
    found = [_copied(call([value.clone() for value in other])) for _ in range(2)]
    return not _close(found[0], found[1])


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _close(a: Any, b: Tensor) -> bool:
    if not isinstance(a, Tensor) or a.shape != b.shape:
        return False
    finite = b[b.isfinite()]
    largest = float(finite.abs().max()) if len(finite) else 0.0
    return torch.allclose(a, b, rtol=_RELATIVE, atol=_ABSOLUTE * largest, equal_nan=True)


def _some_rows(x: Tensor) -> Tensor:
    """Rows from all over the data; rows of zeros join them where they are too few or too alike to tell."""
    rows = plain_tensor(x[:: max(1, len(x) // _MOST_ROWS)][:_MOST_ROWS])
    if len(rows) < _FEWEST_ROWS or bool((rows == rows[:1]).all()):
        rows = torch.cat([rows, rows.new_zeros(_FEWEST_ROWS, *rows.shape[1:])])
    return rows


def _ancestors(snapshot: Snapshot) -> frozenset[str]:
    """The nodes that the output depends on."""
    todo: list[fx.Node] = [node for node in snapshot.graph.nodes if node.op == "output"]
    found = set(todo)
    while todo:
        new = set(todo.pop().all_input_nodes) - found
        found |= new
        todo.extend(new)
    return frozenset(snapshot.names[node] for node in found)
