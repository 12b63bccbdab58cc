"""The exact scan: every fraction width that can matter, on every number of every tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chop import _core
from chop.format_scan.frac_range import Magnitudes, frac_range
from chop.format_scan.number_scan import NumberScan, listed, number_spec
from chop.format_scan.operand_run import OperandRun, Walk
from chop.format_scan.result import BestFormats, FormatChoice
from chop.ir.graph.eval_run import batches_of, eval_mode
from chop.ir.graph.lowering_call import plain_tensor
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.quantizable_layers import Layer, layers_of
from chop.nn.quantizers import OPERANDS, IntegerFormat
from chop.nn.quantizers.format import WIDTH_RANGE
from chop.nn.quantizers.operands import OPERAND_NAMES
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.text_tables import decibels

if TYPE_CHECKING:
    from chop.evaluator import Evaluator

_WHERE = "best_formats"
_OBJECTIVES = ("mse",)

Key = tuple[str, str]  # first node of a layer, operand


def best_formats(
    ev: Evaluator,
    width: int | Mapping[str, int] | None = None,
    signed: bool | None = None,
    objective: str = "mse",
    *,
    name: str = "integer",
    entries: Mapping[str, Any] | None = None,
    batch_size: int = 4096,
    threads: int = 1,
) -> BestFormats:
    """Return for each input, weight and bias of each layer the format of a width with the least error.

    The error is the sum of ``(x - fake_quantize(x))**2`` over the tensor, summed in float64; inputs of
    layers are those of the float model on all of the evaluator's data. Every fraction width that can be the
    best one is tried (:mod:`chop.format_scan.frac_range` says why the others cannot). Of equal ones the
    smallest is taken, which has the largest range; where all are equal (nothing but zeros), ``width // 2``.
    Of other number formats the exponent widths and exponent biases that can be the best are tried
    (:mod:`chop.format_scan.binades`), of ``binary`` and ``ternary`` their flags; blocks and all else are as
    ``entries`` say, or what is best of the lists that they give. Of a ReLU's input the error is that of what the
    ReLU passes on: negative numbers cost nothing. NaN and infinities count for nothing. Nodes that call one module
    get one format. Weights and data are taken as they are now.

    Args:
        ev: the evaluator; its graph may be quantized, the float form is looked at.
        width: bits, 1..32, or operand -> bits (``data_in``, ``weight``, ``bias``; that of the bias falls back
            to the weight's). None for formats that have one width.
        signed: None takes the sign that quantized layers have: input of a ReLU without, all else with sign.
        objective: ``"mse"``.
        name: of the number format.
        entries: fields of its operands that are decided, e.g. ``{"block_size": [1, 32]}``, or lists of what to try,
            ``{"block_size": [[1, 4], [1, 16]]}``; not for ``integer``. Where numbers have a scale,
            ``{"scale": "best"}`` is the power of two that is best as the one scale of all data.
        batch_size: rows that run at once; memory grows with it.
        threads: threads of the scan; they change no bit of the result.

    Raises:
        ConfigError: a width, objective or batch size out of range, or a node that fails on the data.

    >>> from torch import nn
    >>> from chop import Evaluator
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.3]]))
    >>> ev = Evaluator(nn.Sequential(layer), torch.eye(2), torch.tensor([0, 1]))
    >>> found = best_formats(ev, 4)
    >>> [(f.width, f.frac_width) for f in (found["_0"]["weight"], found["_0"]["data_in"])]
    [(4, 2), (4, 0)]
    """
    widths = _widths(width, name)
    if objective not in _OBJECTIVES:
        hint = did_you_mean(objective, _OBJECTIVES)
        raise ConfigError(
            f"{_WHERE}: objective must be one of {', '.join(_OBJECTIVES)}, got {objective!r}{hint}"
        )
    if signed is not None and not isinstance(signed, bool):
        raise ConfigError(f"{_WHERE}: signed must be True, False or None, got {signed!r}")
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ConfigError(f"{_WHERE}: threads must be a whole number of 1 or more, got {threads!r}")
    if not hasattr(ev, "_evaluate_formats"):
        raise ConfigError(f"{_WHERE}: ev must be a chop.Evaluator, got {type(ev).__name__}")
    layers = layers_of(ev.graph)
    walk = _walk(ev.graph, layers, ev._x, batch_size)
    if name != "integer":
        if signed is not None:
            raise ConfigError(f"{_WHERE}: signed is for integer formats, {name!r} has a sign of its own")
        spec = number_spec(name)
        for field, value in (entries or {}).items():
            if field not in spec.kinds or field == "width":
                known = ", ".join(f for f in spec.kinds if f != "width")
                raise ConfigError(f"{_WHERE}: entries has no {field!r}; {name!r} has {known or 'none'}")
            for each in listed(spec, field, value):
                if not (each == "best" and field in spec.searched):
                    spec.check_field(field, each, f"{_WHERE}: {field}")
        return NumberScan(ev.graph, layers, spec, widths, entries or {}).run(walk)
    if entries:
        raise ConfigError(f"{_WHERE}: entries are for formats other than integer, got {dict(entries)!r}")
    return BestFormats(tuple(_Scan(layers, widths, signed, threads).run(walk)))


def _widths(width: int | Mapping[str, int] | None, name: str) -> dict[str, int]:
    needed = name == "integer" or "width" in number_spec(name).fields
    if width is None and not needed:
        return {}
    if not needed:
        raise ConfigError(f"{_WHERE}: {name!r} has one width, leave out width={width!r}")
    table: dict[str, Any] = dict(width) if isinstance(width, Mapping) else dict.fromkeys(OPERAND_NAMES, width)
    if "weight" in table:
        table.setdefault("bias", table["weight"])
    low, high = WIDTH_RANGE
    for name, value in table.items():
        if name not in OPERAND_NAMES:
            hint = did_you_mean(name, OPERAND_NAMES)
            raise ConfigError(
                f"{_WHERE}: width has no operand {name!r}{hint}; it has {', '.join(OPERAND_NAMES)}"
            )
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(f"{_WHERE}: width must be {low}..{high}, got {value!r}")
    return table


def _walk(graph: MaseGraph, layers: list[Layer], x: Any, batch_size: int) -> Walk:
    """A function that shows each operand's numbers, in the same order at each call."""
    dtype = next((p.dtype for p in graph.model.parameters() if p.dtype.is_floating_point), torch.float32)
    next(batches_of(x, batch_size, _WHERE))  # bad values are told before anything runs

    def walk(see: Callable[[Layer, str, Tensor], None]) -> None:
        shown = lambda layer, operand, tensor: see(layer, operand, plain_tensor(tensor))  # noqa: E731
        for layer in layers:
            for operand, parameter in layer.parameters.items():
                shown(layer, operand, parameter)
        with eval_mode(graph.model):
            run = OperandRun(graph, layers, shown, _WHERE)
            for _, values in batches_of(x, batch_size, _WHERE):
                run.watch([v.to(dtype) if _is_float(v) else v for v in values])

    return walk


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


class _Scan:
    """Two walks over the tensors: how large their numbers are, then what each fraction width costs."""

    def __init__(
        self, layers: list[Layer], widths: Mapping[str, int], signed: bool | None, threads: int
    ) -> None:
        self.layers, self.widths, self.threads = layers, widths, threads
        self.signs = {
            (layer.nodes[0], operand.name): operand.is_signed if signed is None else signed
            for layer in layers
            for operand in OPERANDS[layer.mase_op]
            if operand.name in layer.operands and operand.name in widths
        }
        self.sizes = {key: Magnitudes() for key in self.signs}
        self.errors: dict[Key, tuple[range, _core.QuantizationErrors]] = {}

    def run(self, walk: Walk) -> list[FormatChoice]:
        walk(self._measure)
        for key, is_signed in self.signs.items():
            width = self.widths[key[1]]
            # Where all are equal the usual one shows how large the error is.
            fracs = frac_range(self.sizes[key], width, is_signed) or range(width // 2, width // 2 + 1)
            self.errors[key] = fracs, _core.QuantizationErrors(width, is_signed, list(fracs))
        walk(self._scan)
        return [self._choice(layer, name) for layer in self.layers for name in self._operands(layer)]

    def _operands(self, layer: Layer) -> list[str]:
        return [name for name in layer.operands if (layer.nodes[0], name) in self.signs]

    def _measure(self, layer: Layer, operand: str, tensor: Tensor) -> None:
        if (layer.nodes[0], operand) in self.signs:
            self.sizes[layer.nodes[0], operand].add(_passed(layer, operand, tensor))

    def _scan(self, layer: Layer, operand: str, tensor: Tensor) -> None:
        if (layer.nodes[0], operand) in self.signs:
            self.errors[layer.nodes[0], operand][1].update(_passed(layer, operand, tensor), self.threads)

    def _choice(self, layer: Layer, operand: str) -> FormatChoice:
        key = layer.nodes[0], operand
        fracs, found = self.errors[key]
        errors = found.errors
        best = min(range(len(fracs)), key=lambda index: errors[index])  # the first of equals: the smallest
        finite = self.sizes[key].finite
        return FormatChoice(
            layer.nodes,
            layer.mase_op,
            operand,
            IntegerFormat(self.widths[operand], fracs[best], self.signs[key]),
            errors[best] / finite if finite else 0.0,
            decibels(found.power, errors[best]),
            found.count,
            found.count - finite,
            {frac: error / finite if finite else 0.0 for frac, error in zip(fracs, errors, strict=True)},
        )


def _passed(layer: Layer, operand: str, x: Tensor) -> Tensor:
    """What an operation makes of its operand alone: a ReLU passes nothing below 0."""
    return x if layer.signs[operand] else torch.where(torch.isfinite(x), x.clamp(min=0), x)
