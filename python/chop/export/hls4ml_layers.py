"""An integer net as the layers that hls4ml builds a project of: every type and accumulator is stated, none inferred."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from chop.integers import IntegerNet, NotIntegerError, Operation
from chop.integers.net import Tensor
from chop.integers.steps import multiply_add_shift

_MODES = {"half_even": "RND_CONV", "floor": "TRN", "half_up": "RND"}
_OVERFLOWS = {"saturate": "SAT", "wrap": "WRAP"}


@dataclass(frozen=True)
class FixedType:
    """``ap_fixed`` or ``ap_ufixed``; exact unless rounding and overflow say otherwise.

    >>> str(FixedType(6, 3)), str(FixedType(5, -1, False, "RND_CONV", "SAT"))
    ('fixed<6,3,TRN,WRAP>', 'ufixed<5,6,RND_CONV,SAT>')
    """

    width: int
    frac_width: int
    is_signed: bool = True
    rounding: str = "TRN"
    overflow: str = "WRAP"

    def __str__(self) -> str:
        sign = "" if self.is_signed else "u"
        numbers = f"{self.width},{self.width - self.frac_width},{self.rounding},{self.overflow}"
        return f"{sign}fixed<{numbers}>"

    @property
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.width - 1)) if self.is_signed else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.width - self.is_signed)) - 1


@dataclass
class Layers:
    """What ``ModelGraph.from_layer_list`` takes.

    Attributes:
        rows: one dict a layer.
        types: layer -> operand -> type.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    types: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, kind: str, name: str, types: dict[str, FixedType], **more: Any) -> None:
        """Append a layer behind the last one."""
        inputs = [self.rows[-1]["name"]] if self.rows else ["input"]
        self.rows.append({"class_name": kind, "name": name, "inputs": inputs, **more})
        self.types[name] = {operand: str(each) for operand, each in types.items()}


def hls4ml_layers(net: IntegerNet) -> Layers:
    """Return the layers of a chain of linear layers, batch norms and ReLUs.

    Raises:
        NotIntegerError: what hls4ml's layers cannot say exactly.
    """
    made, before, rounded = Layers(), net.operations[0], ""
    for place, op in enumerate(net.operations[1:], 1):
        if op.inputs != (before.output.name,):
            raise NotIntegerError(op.node, "chains only: each layer reads the one before it")
        if op.kind not in _KINDS:
            raise NotIntegerError(op.node, _REASONS.get(op.kind, f"{op.kind} is none of its layers here"))
        if op.kind == "quantize" and made.types:
            raise NotIntegerError(op.node, "the first quantizer must read the input")
        if rounded and op.kind not in {"reshape", "value"}:
            raise NotIntegerError(op.node, f"the sums of {rounded} pass 2^24, where float32 rounds them")
        _KINDS[op.kind](made, op, before.output, f"n{place}")
        rounded = op.node if op.settings.get("rounded") else rounded
        before = op
    if not made.types:
        raise NotIntegerError(net.output.name, "a quantized layer is needed")
    return made


def _exact(low: int, high: int, frac_width: int) -> FixedType:
    """The narrowest type that holds a range of codes."""
    width = max((v if v >= 0 else -v - 1).bit_length() for v in (low, high))
    return FixedType(max(1, width + (low < 0)), frac_width, low < 0)


def _of(values: np.ndarray, frac_width: int) -> FixedType:
    return _exact(min(0, int(values.min())), max(0, int(values.max())), frac_width)


def _quantize(made: Layers, op: Operation, x: Tensor, name: str) -> None:
    made.add("InputLayer", name, {"result": _format(op)}, input_shape=[op.output.size])


def _format(op: Operation) -> FixedType:
    """The type of a quantizer's codes."""
    s, o = op.settings, op.output
    is_signed = o.high < 1 << (s["width"] - 1)
    modes = _MODES[s["rounding"]], _OVERFLOWS[s["overflow"]]
    return FixedType(s["width"], int(o.frac_width or 0), is_signed, *modes)


def _linear(made: Layers, op: Operation, x: Tensor, name: str) -> None:
    weight, bias = op.constants["weight"], op.constants["bias"]
    if op.output.size != len(weight):
        raise NotIntegerError(op.node, "a linear layer on sequences is none of its layers here")
    frac = int(op.output.frac_width or 0)
    products = frac - int(x.frac_width or 0)
    sums = FixedType(op.settings["bits"], frac)
    types = {"weight": _of(weight, products), "bias": _of(bias, frac), "accum": sums, "result": sums}
    made.add(
        "Dense",
        name,
        types,
        n_in=weight.shape[1],
        n_out=weight.shape[0],
        weight_data=_values(weight.T, products),
        bias_data=_values(bias, frac),
        use_bias=True,
    )


def _values(codes: np.ndarray, frac_width: int) -> np.ndarray:
    return np.ascontiguousarray(codes, np.float64) * 2.0**-frac_width


def _activation(made: Layers, name: str, to: FixedType, size: int, cuts: bool) -> None:
    made.add("Activation", name, {"result": to}, activation="relu" if cuts else "linear", n_in=size)


def _clamp(made: Layers, op: Operation, x: Tensor, name: str) -> None:
    o = op.output
    if o.low != 0 or o.high != x.high:
        raise NotIntegerError(op.node, f"it has no clamp to the codes {o.low}..{o.high}, only ReLU")
    _activation(made, name, _exact(o.low, o.high, int(o.frac_width or 0)), o.size, True)


def _requantize(made: Layers, op: Operation, x: Tensor, name: str) -> None:
    to, o = _format(op), op.output
    if to.overflow == "SAT":
        ends = [_shifted(code, op) for code in (x.low, x.high)]
        if (ends[0] < o.low != to.low and o.low != 0) or ends[1] > o.high != to.high:
            raise NotIntegerError(op.node, f"it has no clamp to the codes {o.low}..{o.high}, only ReLU")
    cuts = to.overflow == "SAT" and x.low < 0 and o.low == 0
    _activation(made, name, to, o.size, cuts)


def _shifted(code: int, op: Operation) -> int:
    """A code after the shift and the rounding, before it is brought into range."""
    grid = Fraction(code) / Fraction(2) ** int(op.settings["shift"])
    half_up = floor(grid + Fraction(1, 2))
    return {"half_even": round(grid), "floor": floor(grid), "half_up": half_up}[op.settings["rounding"]]


def _line(made: Layers, op: Operation, x: Tensor, name: str) -> None:
    """A batch norm and its quantizer, ``(A * sum + B) >> s``: the product is exact, the result rounds down."""
    if len(op.output.shape) != 1:
        raise NotIntegerError(op.node, "a batch norm over positions is none of its layers here")
    whole, frac = op.output, int(op.output.frac_width or 0)
    to = _exact(whole.low, whole.high, frac)
    keys = ("factor", "offset", "shift", "least", "most")
    columns = zip(*(op.constants[key].tolist() for key in keys), strict=True)
    found = [_line_within(column, x, to) for column in columns]
    if None in found:
        raise NotIntegerError(
            op.node, "no line stays within the codes of a channel, and it has no clamp for each"
        )
    factor, offset, shift = np.array(found, np.int64).T
    common = int(shift.max())
    ends = np.stack([(factor * code + offset) >> shift for code in (x.low, x.high)])
    low, high = ends.min(0), ends.max(0)
    scale, bias = (values << (common - shift) for values in (factor, offset))
    grids = common + frac - int(x.frac_width or 0), common + frac
    reached = _exact(int(low.min()), int(high.max()), frac)
    types = {"scale": _of(scale, grids[0]), "bias": _of(bias, grids[1]), "result": reached}
    data = {"scale_data": _values(scale, grids[0]), "bias_data": _values(bias, grids[1])}
    made.add("BatchNormalization", name, types, n_in=whole.size, n_filt=-1, **data)
    saturates = FixedType(to.width, frac, to.is_signed, overflow="SAT")
    _activation(made, f"{name}_codes", saturates, whole.size, not to.is_signed and reached.is_signed)


def _line_within(column: tuple[int, ...], x: Tensor, to: FixedType) -> tuple[int, int, int] | None:
    """(A, B, s) of a channel whose line is clamped by the type alone, or None."""
    factor, offset, shift, least, most = column
    ends = sorted((factor * code + offset) >> shift for code in (x.low, x.high))
    if (ends[0] >= least or least == to.low) and (ends[1] <= most or most == to.high):
        return factor, offset, shift
    sign, slope = (1, factor) if factor > 0 else (-1, -factor)
    start, stop = (x.low, x.high) if sign > 0 else (-x.high, -x.low)
    steps = [-((offset - (code << shift)) // slope) for code in range(least + 1, most + 1)]
    first = least
    if least != to.low:  # as if one more step lay just outside
        first, steps = least - 1, [start, *steps]
    if most != to.high:
        steps, stop = [*steps, stop + 1], stop + 1
    line = multiply_add_shift(first, np.array(steps), stop)
    return None if line is None else (sign * line[0], *line[1:])


def _nothing(made: Layers, op: Operation, x: Tensor, name: str) -> None:
    """The numbers stay where they are."""


_KINDS = {
    "quantize": _quantize,
    "linear": _linear,
    "clamp": _clamp,
    "requantize": _requantize,
    "multiply_add_shift": _line,
    "reshape": _nothing,
    "value": _nothing,
}
_REASONS = {
    "affine": "a batch norm of floats is fixed point there: outputs would be equal to about 1e-6 only",
    "float": "float functions are fixed point there",
    "thresholds": "no line gives the codes of this batch norm, and it has no thresholds",
    "conv": "convolutions are none of its layers here",
}
