"""The places of a graph that a format can be chosen for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import quantizeable_op
from chop.ir.graph.own_code import current_weights
from chop.nn.quantized.functional import FUNCTIONS
from chop.nn.quantizers import OPERANDS


@dataclass(frozen=True, slots=True)
class Layer:
    """One place that a format can be chosen for: a node, or all nodes that call one module.

    Attributes:
        nodes: their names, in graph order.
        mase_op: their operation.
        parameters: operand -> weight or bias; those that the layer lacks are left out.
    """

    nodes: tuple[str, ...]
    mase_op: str
    parameters: Mapping[str, Tensor]

    @property
    def signs(self) -> dict[str, bool]:
        """Operand -> whether its numbers have a sign in a quantized layer, for the operands that it has."""
        return {o.name: o.is_signed for o in OPERANDS[self.mase_op] if o.name in self.operands}

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of the operands that the layer has."""
        names = tuple(operand.name for operand in OPERANDS[self.mase_op])
        if self.mase_op in FUNCTIONS:  # its second factor, where there is one, is computed like the first
            return names
        return tuple(name for name in names if name == "data_in" or name in self.parameters)


def layers_of(graph: MaseGraph) -> list[Layer]:
    """Return the layers of a graph that can be quantized, in graph order.

    >>> [(layer.nodes, layer.operands) for layer in layers_of(MaseGraph(nn.Sequential(nn.Linear(2, 2), nn.ReLU())))]
    [(('_0',), ('data_in', 'weight', 'bias')), (('_1',), ('data_in',))]
    """
    modules = graph.modules
    groups: dict[Any, list[fx.Node]] = {}
    for node in graph.nodes:
        if quantizeable_op(node, modules):
            # Nodes that call one module share its formats: the quantize pass replaces the module.
            key = id(modules[str(node.target)]) if node.op == "call_module" else node
            groups.setdefault(key, []).append(node)
    return [_layer(nodes, modules) for nodes in groups.values()]


def _layer(nodes: list[fx.Node], modules: Mapping[str, nn.Module]) -> Layer:
    mase_op = quantizeable_op(nodes[0], modules)
    assert mase_op is not None
    module = modules[str(nodes[0].target)] if nodes[0].op == "call_module" else None
    with current_weights([module] if module is not None else []):
        found = {name: getattr(module, name, None) for name in ("weight", "bias")}
    parameters = {name: t.detach() for name, t in found.items() if isinstance(t, Tensor)}
    return Layer(tuple(node.name for node in nodes), mase_op, parameters)
