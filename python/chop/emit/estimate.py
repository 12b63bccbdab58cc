"""About how many LUTs a config takes, in well under a millisecond: digits of weights, and what stands between sums.

No circuit is made. Each layer counts the bits that adders of its weights' signed digits work on; batch norms, ReLUs and
quantizers between two sums count as the staircase that they are. Three factors, fitted on LUTs that yosys counted, turn
the parts into LUTs: see the page "What a bit costs".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chop.emit.waves import Wave, bits_of
from chop.evaluator import Config, Evaluator
from chop.integers.batch_norm import affine_of
from chop.integers.elementwise import MONOTONE, ends_of
from chop.integers.view import ViewNode
from chop.integers.views import VIEWS
from chop.ir.graph.quantize_config import resolve_quantize_config
from chop.nn.quantizers import IntegerFormat
from chop.nn.quantizers.integer import integer_quantizer
from chop.tools.errors import ConfigError

Formats = Mapping[str, Any]
PARTS = ("adders", "digits", "between")
_FAR = 1e30  # what enters may be any float
_FACTORS = {"adders": 0.775, "digits": 0.796, "between": 0.442}  # tests.benchmarks.bit_costs


@dataclass
class _Tally:
    adders: float = 0.0
    digits: float = 0.0
    between: float = 0.0
    seen: set[tuple[Any, ...]] = field(default_factory=set)


class LutsEstimate:
    """The estimate of one model; what weights take in a format is worked out once.

    Args:
        evaluator: holds the model with its weights.

    >>> from torch import nn, zeros
    >>> estimate = LutsEstimate(Evaluator(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)), zeros(1, 8)))
    >>> def config(width):
    ...     table = {"name": "integer", "data_in_width": width, "data_in_frac_width": 2, "weight_width": width,
    ...              "weight_frac_width": width - 1}
    ...     return {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": table}}
    >>> estimate(config(4)) < estimate(config(6))
    True
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._targets = evaluator._targets
        self._output = evaluator.lowered.output
        self._nodes = [_node(evaluator, row) for row in evaluator.lowered.nodes]
        self._weights: dict[tuple[str, Any, Any], _Weights] = {}

    def __call__(self, config: Config) -> float:
        """Return about how many LUTs of six inputs the circuit of :func:`chop.emit` takes.

        Raises:
            ConfigError: the config is not one for this model, or a node is none that the estimate knows.
        """
        parts = self.parts(config)
        return float(sum(_FACTORS[name] * value for name, value in parts.items()))

    def parts(self, config: Config) -> dict[str, float]:
        """Return what the estimate is the sum of, before the factors.

        Returns:
            ``adders``: bits that adders work on, each signed digit of a weight by itself; ``digits``: how many such
            adders; ``between``: LUTs of all between two sums.
        """
        rules = {rule.node: rule.formats or {} for rule in resolve_quantize_config(self._targets, config)}
        found = _Tally()
        waves: dict[str, Wave] = {}
        for node in self._nodes:
            inputs = [waves[name] for name in node.inputs]
            waves[node.name] = self._behind(node, inputs, rules.get(node.name, {}), found)
        self._read(waves[self._output], next(n for n in self._nodes if n.name == self._output), found)
        return {name: getattr(found, name) for name in PARTS}

    def _behind(self, node: ViewNode, inputs: list[Wave], formats: Formats, found: _Tally) -> Wave:
        if node.op == "input":
            return Wave.of_codes(np.full(1, -_FAR), np.full(1, _FAR), 0, on_host=True)
        for operand, format in formats.items():
            if not isinstance(format, IntegerFormat):
                raise ConfigError(f"luts_estimate: node {node.name}: {operand} is no integer format")
        if "data_in" in formats:
            inputs = [wave.quantized(formats["data_in"]) for wave in inputs]
        kind = next((kind for kind, ops in _OPS.items() if node.op in ops), None)
        if kind is None:
            raise ConfigError(f"luts_estimate: node {node.name}: {node.op} is none that it knows")
        return _RULES[kind](self, node, inputs, formats, found)

    def _read(self, wave: Wave, node: ViewNode, found: _Tally) -> tuple[np.ndarray, np.ndarray]:
        """Count what stands behind the last sum, and return the ends of the numbers."""
        key = node.name, wave.frac, wave.out_frac, wave.least.tobytes(), wave.most.tobytes()
        if key not in found.seen:  # readers in one format share what is made
            found.seen.add(key)
            found.between += float(wave.luts().mean()) * int(np.prod(node.shape))
        return wave.codes()

    def _layer(self, node: ViewNode, inputs: list[Wave], formats: Formats, found: _Tally) -> Wave:
        if "weight" not in formats:
            raise ConfigError(f"luts_estimate: node {node.name} is a float layer: give it a format")
        (x,) = inputs
        w = self._of_weights(node, formats)
        ends = self._read(x, self._by_name(node.inputs[0]), found)
        rows, columns = w.codes.shape
        low, high = (_met(end, node, rows, columns) for end in ends)
        bits = bits_of(low, high)
        digits = w.digits * (bits > 0)
        places = int(np.prod(node.shape)) // rows
        widest = np.where(digits > 0, bits, 0.0).max(1, initial=0.0)
        found.adders += places * float((digits * bits).sum() - widest.sum())
        found.digits += places * float(np.maximum(digits.sum(1) - 1, 0).sum())
        least = (np.maximum(w.codes, 0) * low + np.minimum(w.codes, 0) * high).sum(1)
        most = (np.maximum(w.codes, 0) * high + np.minimum(w.codes, 0) * low).sum(1)
        frac = x.out_frac + formats["weight"].frac_width
        more = 2.0 ** max(0, w.bias_frac - frac)
        bias = w.bias * 2.0 ** (max(frac, w.bias_frac) - w.bias_frac)
        return Wave.of_codes(least * more + bias, most * more + bias, max(frac, w.bias_frac))

    def _of_weights(self, node: ViewNode, formats: Formats) -> _Weights:
        key = node.name, formats["weight"], formats.get("bias")
        if key not in self._weights:
            self._weights[key] = _Weights(node, formats["weight"], formats.get("bias"))
        return self._weights[key]

    def _by_name(self, name: str) -> ViewNode:
        return next(node for node in self._nodes if node.name == name)

    def _affine(self, node: ViewNode, inputs: list[Wave], formats: Formats, found: _Tally) -> Wave:
        return inputs[0].affine(*affine_of(node, True))

    def _clamp(self, node: ViewNode, inputs: list[Wave], formats: Formats, found: _Tally) -> Wave:
        return inputs[0].clamped(*ends_of(node.op, dict(node.attributes)))

    def _view(self, node: ViewNode, inputs: list[Wave], formats: Formats, found: _Tally) -> Wave:
        low, high = self._read(inputs[0], self._by_name(node.inputs[0]), found)
        wave = inputs[0]
        return Wave.of_codes(low.min(keepdims=True), high.max(keepdims=True), wave.out_frac, wave.on_host)

    def _pool(self, node: ViewNode, inputs: list[Wave], formats: Formats, found: _Tally) -> Wave:
        low, high = self._read(inputs[0], self._by_name(node.inputs[0]), found)
        taps = int(np.prod(node.attributes["kernel_size"]))
        cost = 1.5 if node.op.startswith("max") else 1.0
        found.adders += float(bits_of(low, high).mean()) * cost * (taps - 1) * int(np.prod(node.shape))
        return Wave.of_codes(low, high, inputs[0].out_frac)

    def _join(self, node: ViewNode, inputs: list[Wave], formats: Formats, found: _Tally) -> Wave:
        frac, (a, b), (c, d) = self._aligned(node, inputs, found)
        low, high = (a + c, b + d) if node.op == "add" else (a - d, b - c)
        found.adders += float(bits_of(low, high).mean()) * int(np.prod(node.shape))
        return Wave.of_codes(low, high, frac)

    def _cat(self, node: ViewNode, inputs: list[Wave], formats: Formats, found: _Tally) -> Wave:
        frac, *ends = self._aligned(node, inputs, found)
        low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
        return Wave.of_codes(low.min(keepdims=True), high.max(keepdims=True), frac)

    def _aligned(self, node: ViewNode, inputs: list[Wave], found: _Tally) -> tuple[Any, ...]:
        """The finest grid of some numbers, and the ends of each of them on it."""
        frac = max(x.out_frac for x in inputs)
        ends = [
            [end * 2.0 ** (frac - x.out_frac) for end in self._read(x, self._by_name(name), found)]
            for x, name in zip(inputs, node.inputs, strict=True)
        ]
        return frac, *ends


class _Weights:
    """A layer's weights in a format: codes [rows, columns], their signed digits, the bias."""

    def __init__(self, node: ViewNode, weight: IntegerFormat, bias: IntegerFormat | None) -> None:
        codes = _codes(node.values["weight"], weight)
        self.codes = codes.reshape(len(codes), -1)
        magnitude = np.abs(self.codes).astype(np.int64)
        differing = (3 * magnitude) ^ magnitude  # its ones are the signed digits
        self.digits = np.unpackbits(differing[..., None].view(np.uint8), axis=-1).sum(-1).astype(np.float64)
        self.bias, self.bias_frac = np.zeros(len(codes)), 0
        if bias is not None and "bias" in node.values:
            self.bias, self.bias_frac = _codes(node.values["bias"], bias), bias.frac_width


def _codes(values: np.ndarray, f: IntegerFormat) -> np.ndarray:
    grid = integer_quantizer(values, f.width, f.frac_width, f.is_signed, f.rounding, f.overflow)
    return np.asarray(grid).astype(np.float64) * 2.0**f.frac_width


def _met(ends: np.ndarray, node: ViewNode, rows: int, columns: int) -> np.ndarray:
    """What each weight is multiplied by: [rows or 1, columns], of one number a channel."""
    if len(ends) == 1:
        return np.broadcast_to(ends, (1, columns))
    channels = node.values["weight"].shape[1]
    if len(ends) % channels:
        return np.broadcast_to(np.abs(ends).max(), (1, columns))
    groups = np.repeat(ends.reshape(-1, channels), columns // channels, axis=1)
    return np.repeat(groups, rows // len(groups), axis=0) if len(groups) > 1 else groups


def _node(evaluator: Evaluator, row: Mapping[str, Any]) -> ViewNode:
    given = evaluator.lowered.values(row["name"]) if row["parameters"] else {}
    values = {k: np.frombuffer(v, np.float32).reshape(row["parameters"][k]) for k, v in given.items()}
    shape = tuple(row["shape"][1:])
    return ViewNode(row["name"], row["op"], tuple(row["inputs"]), shape, row["attributes"], values)


_OPS: dict[str, Any] = {
    "layer": {"linear", "conv1d", "conv2d"},
    "affine": {"batch_norm1d", "batch_norm2d"},
    "clamp": MONOTONE,
    "view": VIEWS,
    "pool": {"max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"},
    "join": {"add", "sub"},
    "cat": {"cat"},
}
_RULES: dict[str, Callable[..., Wave]] = {
    "layer": LutsEstimate._layer,
    "affine": LutsEstimate._affine,
    "clamp": LutsEstimate._clamp,
    "view": LutsEstimate._view,
    "pool": LutsEstimate._pool,
    "join": LutsEstimate._join,
    "cat": LutsEstimate._cat,
}
