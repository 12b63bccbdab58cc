"""Cost models by name: the native ones, and those that a program adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chop import _core
from chop.registry import Registry


@dataclass(frozen=True, slots=True)
class NodeCost:
    """One node as a Python cost model sees it; the batch is filled in everywhere.

    Attributes:
        name: of the node.
        op: its operation in the lowered graph, ``"input"`` included.
        inputs: shapes of what it reads.
        output: shape of its result.
        parameters: name -> shape.
        attributes: name -> number or list, e.g. ``stride``.
        work: elementary operations as the model ``flops`` counts them, NaN where they are not known.
        macs: multiply-accumulates, likewise.
        quantized: False for a float or bypassed node.
        data_in, weight, bias: bits of its operands, 32 for a float one.
    """

    name: str
    op: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    parameters: Mapping[str, Sequence[int]]
    attributes: Mapping[str, Any]
    work: float
    macs: float
    quantized: bool
    data_in: float
    weight: float
    bias: float


Rule = Callable[[NodeCost], float | None]


def _sum(values: Sequence[float | None]) -> float:
    return sum(value for value in values if value is not None)


@dataclass(frozen=True, slots=True)
class CostModel:
    """A named figure.

    Args:
        name: key in ``COST_MODELS``.
        unit: of the figure.
        definition: what exactly is counted, in words; it is printed with the number.
        rule: the figure of one node, None where the model says nothing of it; None for a native model.
        total: the model's figure from those of the nodes.
        reads_values: True if a native model needs the weights themselves.
        reads_shapes: False if it needs the parameters and their widths only, not the shapes of values.
    """

    name: str
    unit: str
    definition: str
    rule: Rule | None = None
    total: Callable[[Sequence[float | None]], float] = _sum
    reads_values: bool = False
    reads_shapes: bool = True


COST_MODELS: Registry[CostModel] = Registry("cost model")


def cost_model(
    name: str, unit: str, definition: str, total: Callable[[Sequence[float | None]], float] = _sum
) -> Callable[[Rule], Rule]:
    """Decorator that registers a function of one :class:`NodeCost` as a cost model.

    Raises:
        ValueError: the name is taken.

    >>> @cost_model("weight_reads", unit="bits", definition="bits of linear layers' weights, read once")
    ... def weight_reads(node):
    ...     fan_out, fan_in = node.parameters["weight"] if node.op == "linear" else (0, 0)
    ...     return node.weight * fan_out * fan_in
    >>> COST_MODELS["weight_reads"].unit
    'bits'
    >>> del COST_MODELS["weight_reads"]
    """

    def add(rule: Rule) -> Rule:
        COST_MODELS[name] = CostModel(name, unit, definition, rule, total)
        return rule

    return add


for _name, _unit, _definition, _reads_values, _reads_shapes in _core.cost_models():
    COST_MODELS[_name] = CostModel(
        _name, _unit, _definition, reads_values=_reads_values, reads_shapes=_reads_shapes
    )
