"""Which nodes a profile looks at."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import KNOWN_OPS, mase_type_and_op
from chop.passes.graph.node_inputs import tensor_inputs
from chop.registry import UnknownNameError, did_you_mean
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)


def target_nodes(graph: MaseGraph, by: str, targets: Any, where: str, warn: bool = True) -> list[fx.Node]:
    """Return the nodes that ``targets`` names, in the order of the graph.

    Args:
        graph: a traced graph.
        by: "name" (targets are node names) or "type" (operations such as linear).
        targets: a list.
        where: opens the messages.
        warn: log the warning below; False where the arguments are only checked ahead of the run.

    Raises:
        ConfigError: no list.
        UnknownNameError: a node that the graph lacks, or an unknown operation. A known operation that no node
            of the graph does is a warning.
    """
    if isinstance(targets, str) or not isinstance(targets, Sequence):
        raise ConfigError(f"{where} must be a list of names, got {targets!r}")
    for place, target in enumerate(targets):
        if not isinstance(target, str):
            raise ConfigError(f"{where}[{place}] must be a name, got {target!r}")
    modules = graph.modules
    keys = {
        node: node.name if by == "name" else mase_type_and_op(node, modules).mase_op for node in graph.nodes
    }
    present = dict.fromkeys(keys.values())
    for target in targets:
        if target in present:
            continue
        if by == "type" and target in KNOWN_OPS:
            if warn:
                logger.warning("%s: the graph has no node of type %s", where, target)
            continue
        kind = "node" if by == "name" else "type"
        hint = did_you_mean(target, present)
        raise UnknownNameError(f"{where}: unknown {kind} {target!r}{hint}; known: {', '.join(present)}")
    return [node for node, key in keys.items() if key in set(targets)]


def weights_of(node: fx.Node, modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return parameters and buffers of the module that a node calls; the counter of batches is no weight."""
    if node.op != "call_module":
        return {}
    module = modules[str(node.target)]
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: tensor for name, tensor in named.items() if not name.endswith("num_batches_tracked")}


def inputs_of(node: fx.Node) -> dict[str, fx.Node]:
    """Return ``data_in_0`` … of a node: the nodes that feed it."""
    return {f"data_in_{index}": source for index, source in enumerate(tensor_inputs(node))}
