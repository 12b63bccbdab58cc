"""The rows that cost models look at: one for each node that computes tensors."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn

from chop.cost.core_nodes import CoreNodes
from chop.cost.walk import NOT_KNOWN, Seen
from chop.cost.work import UNKNOWN, Product, Work, tensors_of, words
from chop.ir.graph.lowering_arguments import Arguments
from chop.ir.graph.lowering_rules import LOWERING
from chop.ir.graph.lowering_slices import PIECES
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import describe_target, find_row, mase_type_and_op
from chop.nn.quantizers import OPERANDS
from chop.tools.errors import ConfigError

_VIEWS = frozenset(words("flatten view permute transpose unsqueeze squeeze slice identity getitem"))


@dataclass
class Operations:
    """A graph as the cost models see it.

    Attributes:
        rows: one dict a node: name, op, inputs and output (shapes), parameters, attributes, work, macs.
        for_core: the same as the core takes them.
        tap_uses: node -> how often each place of its kernel meets no padding, for convolutions.
        outputs: positions of what leaves the graph.
        parameters: numbers of each learnable tensor, and (position, operand) of those that read it.
        weights: node -> weight, of the layers that can be quantized.
        left_out: node -> why its work is not known.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    for_core: list[dict[str, Any]] = field(default_factory=list)
    tap_uses: dict[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: list[int] = field(default_factory=list)
    parameters: list[tuple[float, list[tuple[int, str]]]] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def operations_of(mg: MaseGraph, seen: Mapping[str, Seen] | None) -> Operations:
    """Return the rows of a graph.

    Args:
        mg: the graph.
        seen: what a walk over it found; None where only parameters are asked for.
    """
    return _Builder(mg, seen).build()


class _Builder:
    def __init__(self, mg: MaseGraph, seen: Mapping[str, Seen] | None) -> None:
        self.mg, self.modules, self.seen = mg, mg.modules, seen
        self.lowering = CoreNodes(mg, seen or {})
        self.found = Operations()
        self.positions: dict[str, int] = {}
        self.owners: dict[int, int] = {}  # tensor -> its entry among the parameters

    def build(self) -> Operations:
        for node in self.mg.nodes:
            if node.op == "output":
                for source in node.all_input_nodes:
                    self.found.outputs += [p for p in self._rows_behind(source) if p >= 0]
            elif node.op != "get_attr" and self._computes_tensors(node):
                self._add(node)
        return self.found

    def _computes_tensors(self, node: fx.Node) -> bool:
        row = find_row(node, self.modules)
        if row is not None and row.mase_op in PIECES:
            return False  # what takes a piece stands for it
        if self.seen is None:
            return True
        found = self.seen[node.name]
        return found.is_lost or bool(tensors_of(found.value))

    def _add(self, node: fx.Node) -> None:
        found = Seen(None, NOT_KNOWN) if self.seen is None else self.seen[node.name]
        lowered = self.lowering.of(node)
        op = lowered.op if lowered else "input" if node.op == "placeholder" else self._op(node)
        tensors = tensors_of(found.value)
        position = len(self.found.rows)
        kind = self._kind(node, op, found.work)
        self.positions[node.name] = position
        self.found.rows.append(
            {
                "name": node.name,
                "op": op,
                "inputs": [list(t.shape) for source in node.all_input_nodes for t in self._tensors(source)],
                "output": list(tensors[0].shape) if tensors else [],
                "parameters": self._parameter_shapes(node, lowered),
                "attributes": dict(lowered.attributes) if lowered else {},
                "work": found.work.work,
                "macs": found.work.macs,
            }
        )
        elements = float(sum(t.numel() for t in tensors)) if tensors else UNKNOWN
        weights = self._own_parameters(node, position)
        self.found.for_core.append(
            {
                "name": node.name,
                "inputs": self._inputs(node, lowered),
                "output_elements": 0.0 if kind == "view" else elements,
                "work": found.work.work,
                "features": float(found.work.features),
                "weights_used": float(weights),
                "products": [_for_core(p) for p in found.work.products],
                "kind": kind,
            }
        )
        for product in found.work.products:
            if product.tap_uses:
                self.found.tap_uses[node.name] = product.tap_uses
        if found.reason:
            self.found.left_out[node.name] = f"{op}: {found.reason}"

    def _op(self, node: fx.Node) -> str:
        try:
            return mase_type_and_op(node, self.modules).mase_op
        except ConfigError:
            return describe_target(node, self.modules)

    def _kind(self, node: fx.Node, op: str, work: Work) -> str:
        if work.is_view or op in _VIEWS:
            return "view"
        row = find_row(node, self.modules)
        operands = {operand.name for operand in OPERANDS.get(row.mase_op, ())} if row else set()
        if "weight" not in operands:
            return "other"
        if node.op != "call_module":
            return "matrices" if op in ("matmul", "bmm") else "layer"
        return "linear" if op == "linear" else "layer"

    def _inputs(self, node: fx.Node, lowered: Any) -> list[int]:
        if lowered is not None:
            by_name = {source.name: source for source in node.graph.nodes} if lowered.inputs else {}
            return [self.positions.get(name, self._one_behind(by_name.get(name))) for name in lowered.inputs]
        return [p for source in node.all_input_nodes for p in self._rows_behind(source)]

    def _one_behind(self, source: fx.Node | None) -> int:
        behind = self._rows_behind(source) if source is not None else []
        return behind[0] if behind else -1

    def _rows_behind(self, source: fx.Node) -> list[int]:
        """Positions of the rows that a value comes from: its own, or those of what it is a piece of."""
        if source.name in self.positions:
            return [self.positions[source.name]]
        row = find_row(source, self.modules)
        if row is not None and row.mase_op in PIECES:
            return [p for each in source.all_input_nodes for p in self._rows_behind(each)]
        return [-1]

    def _tensors(self, source: fx.Node) -> list[Tensor]:
        return (
            [] if self.seen is None or source.op == "get_attr" else tensors_of(self.seen[source.name].value)
        )

    def _parameter_shapes(self, node: fx.Node, lowered: Any) -> dict[str, list[int]]:
        if lowered is not None and lowered.parameters:
            return {name: list(getattr(t, "shape", t)) for name, t in lowered.parameters.items()}
        return {name: list(tensor.shape) for name, tensor, _ in self._parameters(node)}

    def _own_parameters(self, node: fx.Node, position: int) -> int:
        """Enter the node's parameters, and return how many numbers its weight has, for a layer."""
        for _, tensor, operand in self._parameters(node):
            if id(tensor) in self.owners:
                self.found.parameters[self.owners[id(tensor)]][1].append((position, operand))
            else:
                self.owners[id(tensor)] = len(self.found.parameters)
                self.found.parameters.append((float(tensor.numel()), [(position, operand)]))
        weight = (
            getattr(self.modules.get(str(node.target)), "weight", None) if node.op == "call_module" else None
        )
        if not isinstance(weight, Tensor):
            return 0
        self.found.weights[node.name] = weight
        return weight.numel()

    def _parameters(self, node: fx.Node) -> list[tuple[str, Tensor, str]]:
        """Name, tensor and operand of what a node learns."""
        if node.op == "call_module":
            named = self.modules[str(node.target)].named_parameters()
            return [(name, t, "bias" if "bias" in name.rpartition(".")[2] else "weight") for name, t in named]
        names = self._argument_names(node)
        found: list[tuple[str, Tensor, str]] = []
        for place, source in enumerate(node.all_input_nodes):
            tensor = self._stored(source)
            if isinstance(tensor, nn.Parameter):
                name = names.get(source, source.name)
                factor = place > 0 and self._kind(node, "matmul", Work()) == "matrices"
                operand = "bias" if name == "bias" else "weight" if name == "weight" or factor else "data_in"
                found.append((name, tensor, operand))
        return found

    def _stored(self, node: fx.Node) -> Any:
        return operator.attrgetter(str(node.target))(self.mg.model) if node.op == "get_attr" else None

    def _argument_names(self, node: fx.Node) -> dict[fx.Node, str]:
        row = find_row(node, self.modules)
        if row is None or row.mase_op not in LOWERING:
            return {}
        given = Arguments(node, LOWERING[row.mase_op].signature)
        return {value: name for name, value in given.items() if isinstance(value, fx.Node)}


def _for_core(product: Product) -> tuple[float, float, bool, float, float]:
    biases = product.outputs if product.hgq2_biases is None else product.hgq2_biases
    return product.macs, product.outputs, product.biased, product.padded, biases
