"""A lowered graph together with the formats of one config: immutable, with the numbers of every parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar, cast

import numpy as np
import torch

from chop.evaluator import Config, Evaluator
from chop.ir.graph.quantize_config import resolve_quantize_config
from chop.nn.quantizers import ElementFormat, ElementQuantizer, IntegerFormat, NumberFormat
from chop.nn.quantizers.format import WIDTH_RANGE
from chop.nn.quantizers.integer import integer_quantizer
from chop.nn.quantizers.number_format import quantize_number
from chop.tools.errors import ConfigError

Format = IntegerFormat | ElementFormat | NumberFormat
Formats = Mapping[str, Format]
Made = TypeVar("Made")
_NO_FORMATS: Formats = MappingProxyType({})


@dataclass(frozen=True)
class ViewNode:
    """One node of the graph.

    Attributes:
        name: chop's name of the node.
        op: operation of the lowered graph, e.g. ``linear``; ``opaque`` for what only torch can compute.
        inputs: names of the nodes that it reads.
        shape: of its value, without the batch.
        attributes: numbers and lists of whole numbers, as the lowered graph has them.
        values: parameter -> float32 numbers, as trained; of one whose elements have formats of their own, on those.
        quantizer: name of the arithmetic, None for a float node.
        formats: operand -> format, for parameters whose elements have their own the common one; only ``data_in`` may
            be an :class:`~chop.nn.quantizers.ElementFormat`. Empty for a float node.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    attributes: Mapping[str, Any]
    values: Mapping[str, np.ndarray]
    quantizer: str | None = None
    formats: Formats = field(default_factory=lambda: _NO_FORMATS)

    @property
    def is_quantized(self) -> bool:
        """Whether the config gives the node formats."""
        return bool(self.formats)

    def one_format(self, operand: str) -> IntegerFormat:
        """Return the fixed-point format of an operand that has one for all its numbers."""
        format = self.formats[operand]
        assert isinstance(format, IntegerFormat), f"node {self.name}: {operand} is in {format}"
        return format

    def grid_format(self, operand: str) -> IntegerFormat | ElementFormat:
        """Return the format of an operand that lies on fixed-point grids."""
        format = self.formats[operand]
        assert not isinstance(format, NumberFormat), f"node {self.name}: {operand} is in {format}"
        return format

    def on_grid(self, parameter: str) -> np.ndarray:
        """Return a parameter as the layer computes with it: float32, on the grid of its format if it has one."""
        values = self.values[parameter]
        if parameter not in self.formats:
            return values
        if isinstance(f := self.formats[parameter], NumberFormat):
            return quantize_number(torch.from_numpy(values.copy()), f).numpy()
        f = self.one_format(parameter)
        found: np.ndarray = integer_quantizer(
            values, f.width, f.frac_width, f.is_signed, f.rounding, f.overflow
        )
        return found

    @property
    def number(self) -> float:
        """The 0.3 of ``x * 0.3``: in a quantized node on the grid of the data, unless it is an integer there."""
        value = float(self.attributes["other"])
        if "data_in" not in self.formats or self.attributes.get("whole", 1.0):
            return value
        f = self.formats["data_in"]
        if isinstance(f, ElementFormat):
            raise ConfigError(
                f"node {self.name}: data_in has a format for each channel, and the number {value:g} has no channel"
            )
        given = torch.tensor(value, dtype=torch.float64)
        if isinstance(f, NumberFormat):
            return float(quantize_number(given, f))
        return float(integer_quantizer(given, f.width, f.frac_width, f.is_signed, f.rounding, f.overflow))

    def codes(self, parameter: str) -> np.ndarray:
        """Return the whole numbers that stand for a quantized parameter, int64: value times ``2**frac_width``."""
        scaled = self.on_grid(parameter).astype(np.float64) * 2.0 ** self.one_format(parameter).frac_width
        return scaled.astype(np.int64)


@dataclass(frozen=True)
class QuantizedView:
    """All nodes of a model in topological order, under one config.

    Attributes:
        nodes: in the order in which they can be computed.
        output: name of the node that the model returns.
        fuses_batch_norm: whether batch norm rounds multiply and add together once, as torch does on this machine.
    """

    nodes: tuple[ViewNode, ...]
    output: str
    fuses_batch_norm: bool

    def __iter__(self) -> Iterator[ViewNode]:
        return iter(self.nodes)

    def __getitem__(self, name: str) -> ViewNode:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, ViewNode]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """Node -> the nodes that read it, in graph order."""
        found: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found[name].append(node.name)
        return {name: tuple(names) for name, names in found.items()}

    @property
    def inputs(self) -> tuple[ViewNode, ...]:
        """The model's inputs."""
        return tuple(node for node in self.nodes if node.op == "input")

    @cached_property
    def _made(self) -> dict[Callable[[QuantizedView], Any], Any]:
        return {}

    def once(self, make: Callable[[QuantizedView], Made]) -> Made:
        """Return ``make(self)``, which the first call computes and all others share: it must not be changed."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast(Made, self._made[make])


def _on_common_grids(
    node: str, formats: Formats, values: Mapping[str, np.ndarray]
) -> tuple[Formats, Mapping[str, np.ndarray]]:
    """One format a parameter: those whose elements have their own are brought there, and lie on the common grid."""
    found: dict[str, Format] = {}
    numbers = dict(values)
    for operand, format in formats.items():
        if not isinstance(format, ElementFormat):
            found[operand] = format
            continue
        common = format.common
        if operand in values and common.width <= WIDTH_RANGE[1]:
            numbers[operand] = ElementQuantizer(format)(torch.from_numpy(values[operand].copy())).numpy()
            found[operand] = common
        elif operand == "data_in":
            found[operand] = format
        elif operand in values:
            raise ConfigError(
                f"node {node}: the formats of {operand} need {common.width} bits on their common grid, and an export "
                f"has {WIDTH_RANGE[1]} at most"
            )
    return found, numbers


def quantized_view(evaluator: Evaluator, config: Config | None) -> QuantizedView:
    """Return the model of an evaluator under a config.

    Args:
        evaluator: holds the lowered graph with its weights.
        config: what ``quantize_transform_pass`` takes; None: the float model.

    Raises:
        ConfigError: the config is not one for this model.

    >>> from torch import nn
    >>> ev = Evaluator(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(1, 2))
    >>> fixed = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_width": 6,
    ...          "weight_frac_width": 4}
    >>> view = quantized_view(ev, {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": fixed}})
    >>> [(node.op, sorted(node.formats)) for node in view]
    [('input', []), ('linear', ['bias', 'data_in', 'weight']), ('relu', [])]
    """
    rules = {} if config is None else {r.node: r for r in resolve_quantize_config(evaluator._targets, config)}
    nodes = []
    for row in evaluator.lowered.nodes:
        rule = rules.get(row["name"])
        given = evaluator.lowered.values(row["name"]) if row["parameters"] else {}
        shapes = row["parameters"]
        floats = {name: np.frombuffer(v, np.float32).reshape(shapes[name]) for name, v in given.items()}
        formats, values = _on_common_grids(
            row["name"], (rule.formats if rule is not None else None) or {}, floats
        )
        nodes.append(
            ViewNode(
                row["name"],
                row["op"],
                tuple(row["inputs"]),
                tuple(row["shape"][1:]),
                row["attributes"],
                values,
                rule.quantizer if rule is not None and formats else None,
                formats,
            )
        )
    fuses = torch.backends.cpu.get_cpu_capability() != "DEFAULT"
    return QuantizedView(tuple(nodes), evaluator.lowered.output, fuses)
