"""Gradients as the traced forward has them: what lies in ``torch.no_grad()`` passes none on."""

from __future__ import annotations

import operator
from collections.abc import Mapping

from torch import fx, nn

from chop.ir.graph.ops import is_number, source_text
from chop.ir.graph.stop_gradient import stop_gradient
from chop.ir.graph.writes import Memory
from chop.tools.errors import ConfigError

NO_GRAD = "chop_no_grad"  # key of a node's meta


def stop_gradients(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
    """Put ``stop_gradient`` behind the nodes that were traced without gradients and are read by others.

    Raises:
        ConfigError: without gradients something was written into a tensor that has one.
    """
    if not any(NO_GRAD in node.meta for node in graph.nodes):
        return
    _refuse_hidden_writes(graph, modules)
    for node in graph.nodes:
        # A piece of what has no gradient has none either; the whole may be a tuple.
        if node.target in (operator.getitem, getattr) and NO_GRAD in node.args[0].meta:
            node.meta[NO_GRAD] = True
    for node in list(graph.nodes):
        outside = [user for user in node.users if NO_GRAD not in user.meta]
        if NO_GRAD in node.meta and outside and not is_number(node, modules):
            with graph.inserting_after(node):
                made = graph.call_function(stop_gradient, (node,), name="detach")
            for user in outside:
                user.replace_input_with(node, made)


def _refuse_hidden_writes(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
    memory = Memory(graph, modules)
    for write in memory.writes:
        root = write.tensor.root.node
        if NO_GRAD not in write.node.meta or NO_GRAD in root.meta or root.op in ("placeholder", "get_attr"):
            continue
        for read in memory.reads:
            if (
                read.place > write.place
                and read.tensor in write.tensor.group
                and NO_GRAD not in read.node.meta
            ):
                raise ConfigError(
                    f"node {write.node.name}{source_text(write.node)} writes in place into {root.name}, which has a "
                    "gradient, where gradients are off; compute a new tensor, or write where gradients are on"
                )
