"""What a quantize config can name in one graph, read from it once: a search resolves many configs on one graph."""

from __future__ import annotations

from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import QUANTIZEABLE_OP, describe_target, find_row, quantizeable_op
from chop.nn.quantized.layer_shapes import Shapes, layer_shapes


class QuantizeTargets:
    """The nodes of a graph as quantize configs see them. A snapshot: later changes of the graph are not seen.

    Attributes:
        names: of all nodes, in graph order.
        ops: node -> operation, for the nodes that can be quantized, in graph order.
        modules: node -> module that it calls, for those of them that call one.
        shapes: node -> operand -> shape that lists of formats must fit, as far as layers know it.
        relatives: node -> what it is, for nodes of a quantizable operation without a quantized form.

    >>> from torch import nn
    >>> QuantizeTargets(MaseGraph(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))).ops
    {'_0': 'linear', '_1': 'relu'}
    """

    def __init__(self, mg: MaseGraph) -> None:
        modules = mg.modules
        self.names: dict[str, None] = {}
        self.ops: dict[str, str] = {}
        self.modules: dict[str, str] = {}
        self.shapes: dict[str, Shapes] = {}
        self.relatives: dict[str, str] = {}
        for node in mg.nodes:
            self.names[node.name] = None
            if op := quantizeable_op(node, modules):
                self.ops[node.name] = op
                if node.op == "call_module":
                    self.modules[node.name] = str(node.target)
                    self.shapes[node.name] = layer_shapes(modules[str(node.target)])
            elif (row := find_row(node, modules)) is not None and row.mase_op in QUANTIZEABLE_OP:
                self.relatives[node.name] = f"{describe_target(node, modules)} ({node.op})"
        self.present = frozenset(self.ops.values())

    @classmethod
    def of(cls, graph: MaseGraph | QuantizeTargets) -> QuantizeTargets:
        """Return ``graph`` if it is a snapshot already, else one of it."""
        return graph if isinstance(graph, QuantizeTargets) else cls(graph)
