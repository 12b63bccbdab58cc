"""A graph whose nodes can be computed one by one: later readers get what a write in place has left."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from torch import fx, nn

from chop.ir.graph.aliases import step_of
from chop.ir.graph.layout import name_of, refuse_layout, reshapes
from chop.ir.graph.proxies import IN_PLACE
from chop.ir.graph.write_view import write_view
from chop.ir.graph.writes import Memory, Read, Tensor, Write, only_shape
from chop.tools.errors import ConfigError


def rewire_writes(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
    """Wire readers of tensors that were written in place to the result, where that is certain to be right.

    The nodes that write stay; their results are what the tensor holds afterwards. A write into a part of a tensor that
    is read again is followed by a node that puts the part into a copy.

    >>> graph = fx.Graph()
    >>> h = graph.placeholder("h")
    >>> _ = graph.call_method("relu_", (h,))
    >>> output = graph.output(h)
    >>> rewire_writes(graph, {})
    >>> output.args
    (relu_,)
    """
    memory = Memory(graph, modules)
    _plain_arithmetic(graph, memory)
    if memory.writes or any(reshapes(name_of(node)) for node in graph.nodes):
        _Rewiring(graph, memory).run()


def refuse_writes(graph: fx.Graph, modules: Mapping[str, nn.Module], where: str) -> None:
    """Raise ConfigError if a node overwrites what others read afterwards or reads memory, so that nodes are no values.

    Args:
        graph: a graph, usually after :func:`rewire_writes`.
        modules: name -> module.
        where: opens the message.
    """
    refuse_layout(graph, where)
    memory = Memory(graph, modules)
    for conflict in memory.conflicts() if memory.writes else ():
        raise ConfigError(f"{where}: {conflict}")


def _plain_arithmetic(graph: fx.Graph, memory: Memory) -> None:
    """``n += 1`` on a size makes a new number."""
    written = {write.node for write in memory.writes}
    for node in graph.nodes:
        if node.target in IN_PLACE and node not in written:
            node.target = IN_PLACE[node.target]


class _Rewiring:
    """One run over a graph."""

    def __init__(self, graph: fx.Graph, memory: Memory) -> None:
        self.graph, self.memory = graph, memory
        conflicts = list(memory.conflicts())
        left = {id(c.write.tensor.group) for c in conflicts if c.reason is not None}
        self.writes: dict[fx.Node, list[tuple[Write, list[Read]]]] = {}
        self.reads: dict[fx.Node, list[Read]] = {}
        for write in memory.writes:
            if id(write.tensor.group) not in left:
                self.writes.setdefault(write.node, []).append((write, memory.stale_reads(write)))
        for read in memory.reads:
            read_again = read.source in read.node.all_input_nodes and not only_shape(read)
            if read_again and id(read.tensor.group) not in left:
                self.reads.setdefault(read.node, []).append(read)
        self.version: dict[Tensor, int] = {}  # of a root: how often it was written
        self.latest: dict[Tensor, tuple[fx.Node, int]] = {}  # its value, and as of which version

    def run(self) -> None:
        for node in list(self.graph.nodes):
            for read in self.reads.get(node, ()):
                value = self._value(read.tensor, node)
                if value is not read.source:
                    node.replace_input_with(read.source, value)
            self._visit(node)

    def _visit(self, node: fx.Node) -> None:
        for write, stale in self.writes.get(node, ()):
            self._write(write, stale)
        if (tensor := self.memory.made.get(node)) is not None:
            self.latest[tensor] = (node, self.version.setdefault(tensor.root, 0))
            if reshapes(name_of(node)) and node in self.reads and step_of(node) is not None and node.args:
                node.op, node.target = "call_method", name_of(node).removesuffix("_")

    def _value(self, tensor: Tensor, before: fx.Node) -> fx.Node:
        """The node that has the tensor's numbers as they are now; it is made from the root if there is none."""
        node, version = self.latest[tensor]
        if version == self.version[tensor.root] or tensor.parent is None:
            return node
        source, view = self._value(tensor.parent, before), tensor.node
        viewed = view.args[0] if view.args else view.all_input_nodes[0]
        with self.graph.inserting_before(before):
            made = self.graph.node_copy(view, lambda each: source if each is viewed else each)
        self.latest[tensor] = (made, self.version[tensor.root])
        return made

    def _write(self, write: Write, stale: list[Read]) -> None:
        tensor, root, node = write.tensor, write.tensor.root, write.node
        self.version[root] += 1
        version = self.version[root]
        if node.target is operator.setitem and (stale or self._is_read_after(write)):
            held, index, value = node.args
            node = self._written(held, value, [("__setitem__", (index,), {})], node)
        self.latest[tensor] = (node, version)
        others = any(tensor not in read.tensor.path() for read in stale)
        if tensor is not root and others:
            steps = [step_of(each.node) for each in reversed(tensor.path()[:-1])]
            made = self._written(self.latest[root][0], node, steps, node)
            self.latest[root] = (made, version)

    def _is_read_after(self, write: Write) -> bool:
        return any(read.place > write.place and read.tensor is write.tensor for read in self.memory.reads)

    def _written(self, base: Any, value: Any, steps: list[Any], after: fx.Node) -> fx.Node:
        with self.graph.inserting_after(after):
            made = self.graph.call_function(write_view, (base, value, tuple(steps)))
        made.meta.update({k: v for k, v in after.meta.items() if k.startswith("chop")})
        if after.target is operator.setitem:
            after.replace_all_uses_with(made)
            self.graph.erase_node(after)
        return made


__all__ = ["refuse_writes", "rewire_writes"]
