"""Writes in place: who reads what was written, and the same graph without the need to ask.

A tensor that is written in place changes for everybody who holds it or a view of it. Passes and the core compute node
by node, so a later reader has to be wired to the result of the write. Where that is not certain to be right, the graph
stays as it is, and whoever needs nodes without side effects refuses it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import fx, nn

from chop.ir.graph.aliases import Effect, effect, step_of
from chop.ir.graph.ops import find_row, source_text
from chop.ir.graph.pieces import piece_of
from chop.ir.graph.write_view import write_view


@dataclass(eq=False)
class Tensor:
    """A tensor that the graph computes, under all names that it has.

    Attributes:
        node: what made it.
        parent: the tensor that it is a view of, if that is certain.
        group: all tensors that may lie in the same memory.
        unrecorded: its writes are none to autograd: made by ``detach`` or ``.data``.
    """

    node: fx.Node
    parent: Tensor | None = None
    group: set[Tensor] = field(default_factory=set)
    unrecorded: bool = False

    def path(self) -> list[Tensor]:
        """The tensor and those that it is a view of, in turn."""
        return [self] if self.parent is None else [self, *self.parent.path()]

    @property
    def root(self) -> Tensor:
        return self.path()[-1]


class Write(NamedTuple):
    """A node that overwrites a tensor; ``is_result``: its value is the tensor as it is afterwards."""

    place: int
    node: fx.Node
    tensor: Tensor
    is_result: bool


class Read(NamedTuple):
    """A node that reads ``tensor`` by the value of ``source``."""

    place: int
    node: fx.Node
    source: fx.Node
    tensor: Tensor


class Conflict(NamedTuple):
    """A write that a later reader must see, and why that cannot be arranged; None if it can."""

    write: Write
    read: Read | None
    reason: str | None

    def __str__(self) -> str:
        node, read = self.write.node, self.read
        seen = f", which node {read.node.name}{source_text(read.node)} reads afterwards" if read else ""
        why = f": {self.reason}" if self.reason else ""
        return (
            f"node {node.name}{source_text(node)} writes into {self.write.tensor.node.name}{seen}{why}; "
            "compute a new tensor instead (h = h.relu() for h.relu_())"
        )


class Memory:
    """Who writes and reads which tensor of a graph.

    >>> graph = fx.Graph()
    >>> h = graph.placeholder("h")
    >>> relu = graph.call_method("relu_", (h,))
    >>> _ = graph.output(h)
    >>> [(c.write.node, c.read.node, c.reason) for c in Memory(graph, {}).conflicts()]
    [(relu_, output, None)]
    """

    def __init__(self, graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
        self._modules = modules
        self.places = {node: place for place, node in enumerate(graph.nodes)}
        self.tensors: dict[fx.Node, Tensor] = {}  # what a name stands for, in the end
        self.made: dict[fx.Node, Tensor] = {}  # by that node
        self.writes: list[Write] = []
        self.reads: list[Read] = []
        self._pieces: dict[tuple[fx.Node, object], fx.Node] = {}  # what took it first
        for node in graph.nodes:
            self._add(node, effect(node, modules))

    def _add(self, node: fx.Node, found: Effect) -> None:
        place = self.places[node]
        if (piece := piece_of(node, self._modules)) is not None:
            first = self._pieces.setdefault(piece, node)
            found = found if first is node else Effect("same", (first,))
        else:
            self._read_pieces(node)
        for source in node.all_input_nodes:
            self.reads.append(Read(place, node, source, self.tensors[source]))
        is_result = found.kind == "same" or node.target is operator.setitem
        self.writes += [Write(place, node, self.tensors[source], is_result) for source in found.written]
        sources = [self.tensors[source] for source in found.sources]
        if found.kind == "same" and sources:
            self.tensors[node] = sources[0]
            return
        made = self.made[node] = Tensor(node)
        certain = found.kind in ("view", "reshaped") and bool(sources) and step_of(node) is not None
        if certain:
            made.parent = sources[0]
            made.unrecorded = _cuts_gradient(node)
        made.group = {made}
        for tensor in sources:
            made.group |= tensor.group
        for each in made.group:
            each.group = made.group
        if (
            found.kind == "reshaped" and sources
        ):  # from here on the tensor is seen like that under all its names
            self.tensors.update({name: made for name, held in self.tensors.items() if held is sources[0]})
        self.tensors[node] = made

    def _read_pieces(self, node: fx.Node) -> None:
        """A node that reads the results of a call together reads each that another node has taken of them."""
        for (owner, _), piece in self._pieces.items():
            if owner in node.all_input_nodes:
                whole = Tensor(owner, group=self.tensors[piece].group)
                whole.group.add(whole)
                self.reads.append(Read(self.places[node], node, piece, whole))

    def op(self, node: fx.Node) -> str:
        """Return a node's operation, empty where the table has none."""
        row = find_row(node, self._modules)
        return row.mase_op if row else ""

    def conflicts(self) -> Iterator[Conflict]:
        """Yield each write that somebody must see who would not, if nodes had no side effects."""
        for write in self.writes:
            # What is given as out= is overwritten whole.
            if write.tensor.root.node.op == "get_attr" and "out" not in write.node.kwargs:
                yield Conflict(
                    write, None, "it is a tensor of the model, which would change from call to call"
                )
            for read in self.stale_reads(write):
                yield Conflict(write, read, _obstacle(write, read.tensor))

    def stale_reads(self, write: Write) -> list[Read]:
        """The reads after a write that go by a value from before it."""
        group = write.tensor.group
        return [
            read
            for read in self.reads
            if read.place > write.place > self.places[read.source]
            and read.tensor in group
            and not _replaces(read, write)
        ]


def _replaces(read: Read, write: Write) -> bool:
    """Whether a reader of the whole puts the written part into it anew, or asks for no more than a shape."""
    return only_shape(read) or (
        read.node.target is write_view and read.node.args[:2] == (read.source, write.node)
    )


def only_shape(read: Read) -> bool:
    """Whether a reader wants no numbers: what a view within a ``write_view`` takes."""
    return read.node.target is write_view and read.source not in read.node.args[:2]


def _cuts_gradient(node: fx.Node) -> bool:
    return (
        node.target in ("detach", "detach_")
        or (node.target is getattr and node.args[1] == "data")
        or (getattr(node.target, "__name__", "") == "detach")
    )


def _obstacle(write: Write, read: Tensor) -> str | None:
    """Why a reader of ``read`` cannot be given what the write leaves there; None if it can."""
    written = write.tensor
    if not write.is_result:
        return "it writes several tensors at once"
    if read.root is not written.root:
        return f"{written.node.name} and {read.node.name} may or may not lie in the same memory"
    if read is not written and any(each.unrecorded for each in written.path()):
        return "autograd does not see the write"
    return None
