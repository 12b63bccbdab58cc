"""Writes in place into tensors that autograd has saved, for which torch refuses the backward pass."""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx, nn

from chop.ir.graph.ops import source_text
from chop.ir.graph.writes import Memory, Write

# What autograd keeps neither the inputs of for the backward pass, nor the output.
_KEEP_NOTHING = frozenset(
    {
        "add", "sub", "neg", "view", "reshape", "flatten", "unflatten", "permute", "transpose", "t", "unsqueeze",
        "squeeze", "getitem", "select", "narrow", "chunk", "split", "cat", "stack", "expand", "contiguous", "identity",
        "detach", "size", "dim", "getattr", "write_view", "sum", "mean",
    }
)  # fmt: skip
_KEEP_NO_OUTPUT = _KEEP_NOTHING | {
    *("linear", "conv1d", "conv2d", "batch_norm1d", "batch_norm2d", "layer_norm", "group_norm", "embedding"),
    *("matmul", "bmm", "mul", "div", "clone", "dropout"),
}


def refuse_saved_writes(graph: fx.Graph, modules: Mapping[str, nn.Module], where: str) -> None:
    """Raise ValueError for a write into what an earlier node may have saved for its gradient.

    Args:
        graph: any graph.
        modules: name -> module.
        where: opens the message.

    >>> graph = fx.Graph()
    >>> h = graph.call_method("sigmoid", (graph.placeholder("x"),))
    >>> _ = graph.output(graph.call_method("add_", (h, 1)))
    >>> refuse_saved_writes(graph, {}, "training")
    Traceback (most recent call last):
    ValueError: training: node add_ writes in place into what node sigmoid may have saved for its gradient
    """
    memory = Memory(graph, modules)
    for write in memory.writes:
        for node in _before(memory, write):
            raise ValueError(
                f"{where}: node {write.node.name}{source_text(write.node)} writes in place into what node {node.name}"
                f"{source_text(node)} may have saved for its gradient"
            )


def _before(memory: Memory, write: Write) -> list[fx.Node]:
    """The nodes before a write that may have saved what it changes."""
    group = write.tensor.group
    readers = [read.node for read in memory.reads if read.tensor in group and read.place < write.place]
    makers = [tensor.node for tensor in group if memory.places[tensor.node] < write.place]
    kept = [node for node in readers if memory.op(node) not in _KEEP_NOTHING]
    return kept + [n for n in makers if n.op.startswith("call_") and memory.op(n) not in _KEEP_NO_OUTPUT]
