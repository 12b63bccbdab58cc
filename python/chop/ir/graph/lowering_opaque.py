"""Lowering for those who have torch at hand: what the core does not know becomes the operation ``opaque``."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from chop import _core
from chop.ir.graph.lowering import InputShapes, Lowering
from chop.ir.graph.lowering_call import BATCH
from chop.ir.graph.lowering_rules import LOWERING
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.opaque import OpaqueNodes
from chop.ir.graph.ops import find_row
from chop.ir.graph.root_call import refuse_inputs


def lower_with_torch(
    mg: MaseGraph, opaque: OpaqueNodes, input_shapes: InputShapes | Sequence[int] | None = None
) -> _core.Graph:
    """As :func:`chop.ir.graph.lowering.lower`, but a node that it refuses becomes ``opaque``.

    Every value of the graph is then a float32 tensor with the batch first; tuples, sizes, masks and the like are
    left to the nodes that read them.

    Args:
        mg: the model.
        opaque: made of the same model.
        input_shapes: shape of the input without its batch.

    Raises:
        ValueError: torch refuses a node as well, or its rows depend on each other or on chance.

    >>> import torch
    >>> from torch import nn
    >>> graph = MaseGraph(nn.Sequential(nn.Linear(3, 2), nn.Hardshrink()))
    >>> lowered = lower_with_torch(graph, OpaqueNodes(graph, torch.randn(8, 3)), (3,))
    >>> [node["op"] for node in lowered.nodes]
    ['input', 'linear', 'opaque']
    """
    return _LoweringAll(mg, input_shapes, opaque).run()


class _LoweringAll(Lowering):
    """A run in which torch stands in for the core; all values of the lowered graph have the batch first."""

    def __init__(
        self, mg: MaseGraph, input_shapes: InputShapes | Sequence[int] | None, opaque: OpaqueNodes
    ) -> None:
        super().__init__(mg, input_shapes, values=True)
        refuse_inputs(mg.fx_graph, "Evaluator")
        self.opaque = opaque
        self.shapes: dict[str, list[int]] = {}  # of the nodes added so far

    def _build(self, output: fx.Node) -> _core.Graph:
        if output.name not in self.shapes:
            what = self.opaque.snapshot.describe(output.name)
            raise ValueError(f"lower: the output, node {what}, is no float32 tensor with the batch first")
        return super()._build(output)

    def _add_input(self, node: fx.Node, shape: list[int]) -> None:
        super()._add_input(node, shape)
        self.shapes[node.name] = shape

    def _add(self, node: fx.Node) -> None:
        """Add a node, or leave it to the opaque nodes that read it."""
        refusal: Exception | None = None
        if node.name not in self.opaque.names:
            try:
                self._add_native(node)
                return
            except (ValueError, TypeError, IndexError, AttributeError) as error:
                refusal = error
        try:
            shape = self.opaque.row_shape(node.name)
        except ValueError:
            row = find_row(node, self.modules)
            if refusal is None or row is None or row.mase_op not in LOWERING:
                raise
            raise refusal from None
        if shape is not None:
            inputs = self.opaque.inputs(node.name, self.shapes)
            self.builder.add(node.name, "opaque", inputs, {"shape": shape}, {}, [])
            self.shapes[node.name] = [BATCH, *shape]

    def _add_native(self, node: fx.Node) -> None:
        module = self.modules[str(node.target)] if node.op == "call_module" else None
        if getattr(module, "padding_mode", "zeros") != "zeros":
            raise ValueError(f"lower: node {node.name} does not pad with zeros")
        made = self._lowered(node)
        trial = _core.GraphBuilder()  # a refusal by the rule of shapes must leave no trace
        for name in dict.fromkeys(made.inputs):
            if name not in self.shapes:
                raise ValueError(
                    f"lower: node {node.name} ({made.op}) reads {name}, which the core does not have"
                )
            trial.add(name, "input", [], {}, {}, self.shapes[name])
        sizes = {name: list(getattr(tensor, "shape", tensor)) for name, tensor in made.parameters.items()}
        trial.add(node.name, made.op, made.inputs, made.attributes, sizes, [])
        shape = trial.build(node.name).nodes[-1]["shape"]
        if not shape or shape[0] != BATCH or BATCH in shape[1:]:
            raise ValueError(
                f"lower: the value of node {node.name} ({made.op}) does not have the batch first"
            )
        self.builder.add(node.name, made.op, made.inputs, made.attributes, made.parameters, [])
        self.shapes[node.name] = shape
