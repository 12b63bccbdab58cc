"""Number formats in plain arithmetic on float64, for programs that run without the core: torch's operators, ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from chop import _core

T = TypeVar("T")
_SMALLEST = 2.0**-150  # below every float32 number
_BORDER = 2 * 0.7071067811865476  # just above the root of 2
_ROUNDER = 1.5 * 2.0**52  # a sum with it has no room for a fraction, and a zero of it has no sign


class Format(Protocol):
    """What is read of a :class:`~chop.nn.quantizers.number_format.NumberFormat`."""

    @property
    def name(self) -> str: ...
    @property
    def numbers(self) -> tuple[float, ...]: ...
    @property
    def by_block(self) -> bool: ...
    @property
    def is_random(self) -> bool: ...


class Arithmetic(Protocol[T]):
    """Operations on float64 numbers, each exact or rounded to nearest; NaN passes through all but comparisons."""

    def add(self, x: T, y: float) -> T: ...
    def mul(self, x: T, y: T | float) -> T: ...
    def div(self, x: T, y: T | float) -> T: ...
    def abs(self, x: T) -> T: ...
    def round(self, x: T) -> T:
        """Round halves to even and keep the sign of zero."""

    def clip(self, x: T, low: float, high: float) -> T: ...
    def at_least(self, x: T, y: float) -> T: ...
    def above(self, x: T, y: float) -> T: ...
    def where(self, condition: T, yes: T | float, no: T | float) -> T: ...


def values_of(a: Arithmetic[T], x: T, format: Format) -> T:
    """Return the values of a format without blocks for float32 numbers ``x``, both given as float64.

    >>> from chop.nn.quantizers.number_format import NumberFormat
    >>> f = NumberFormat("log", (), (4.0, 3.0), 4)
    >>> values_of(TorchArithmetic(), torch.tensor([0.0, -3.1, 1.5], dtype=torch.float64), f).tolist()
    [0.125, -4.0, 2.0]
    """
    rule = _core.number_rule(format.name, list(format.numbers))
    return _RULES[str(rule["kind"])](a, x, rule)


def has_formula(format: Format) -> bool:
    """Whether :func:`values_of` knows the format: its numbers stand for themselves, and chance decides none."""
    return not format.by_block and not format.is_random


def _binade(a: Arithmetic[T], size: T, lowest: float, largest: float) -> tuple[T, T]:
    """For sizes within ``lowest``, a power of two, and ``largest``: the power of two below, and the rest, 1 to 2."""
    rest = a.div(size, lowest)
    for bit in reversed(range((math.frexp(largest / lowest)[1] - 1).bit_length())):
        factor = 2.0 ** (1 << bit)
        rest = a.where(a.at_least(rest, factor), a.mul(rest, 1 / factor), rest)
    return a.div(size, rest), rest


def _significant(a: Arithmetic[T], x: T, rule: dict[str, Any]) -> T:
    largest, lowest = rule["largest"], max(rule["lowest"], _SMALLEST)
    most = max(largest, lowest)
    power, _ = _binade(a, a.clip(a.abs(x), lowest, most), lowest, most)
    step = a.mul(power, 2.0 ** (1 - rule["bits"]))
    return a.mul(a.round(a.div(a.clip(x, -largest, largest), step)), step)


def _power_of_two(a: Arithmetic[T], x: T, rule: dict[str, Any]) -> T:
    largest, lowest = max(rule["largest"], _SMALLEST), max(rule["lowest"], _SMALLEST)
    power, rest = _binade(a, a.clip(a.abs(x), lowest, largest), lowest, largest)
    size = a.clip(a.where(a.at_least(rest, _BORDER), a.mul(power, 2.0), power), lowest, largest)
    return a.where(a.above(a.mul(x, -1.0), 0.0), a.mul(size, -1.0), size)


def _steps(a: Arithmetic[T], x: T, rule: dict[str, Any]) -> T:
    codes = a.add(a.add(a.clip(a.div(x, rule["step"]), rule["low"], rule["high"]), _ROUNDER), -_ROUNDER)
    return a.mul(codes, rule["step"])


def _two_values(a: Arithmetic[T], x: T, rule: dict[str, Any]) -> T:
    return a.where(a.at_least(x, rule["threshold"]), rule["high"], rule["low"])


def _three_values(a: Arithmetic[T], x: T, rule: dict[str, Any]) -> T:
    value = a.where(a.above(a.mul(x, -1.0), 0.0), -rule["high"], rule["high"])
    return a.where(a.above(a.abs(x), rule["threshold"]), value, 0.0)


_RULES: dict[str, Callable[..., Any]] = {
    "significant": _significant,
    "power_of_two": _power_of_two,
    "steps": _steps,
    "scaled": _steps,
    "two_values": _two_values,
    "three_values": _three_values,
}


class TorchArithmetic:
    """:class:`Arithmetic` of torch's own operators."""

    def add(self, x: Tensor, y: float) -> Tensor:
        return x + y

    def mul(self, x: Tensor, y: Tensor | float) -> Tensor:
        return x * y

    def div(self, x: Tensor, y: Tensor | float) -> Tensor:
        return x / y

    def abs(self, x: Tensor) -> Tensor:
        return x.abs()

    def round(self, x: Tensor) -> Tensor:
        return x.round()

    def clip(self, x: Tensor, low: float, high: float) -> Tensor:
        return x.clamp(low, high)

    def at_least(self, x: Tensor, y: float) -> Tensor:
        return x >= y

    def above(self, x: Tensor, y: float) -> Tensor:
        return x > y

    def where(self, condition: Tensor, yes: Tensor | float, no: Tensor | float) -> Tensor:
        return torch.where(condition, _tensor(yes), _tensor(no))


def _tensor(number: Tensor | float) -> Tensor:
    return number if isinstance(number, Tensor) else torch.full((), number, dtype=torch.float64)


def number_formula(x: Tensor, format: Format) -> Tensor:
    """Return the numbers that ``torch.ops.chop.format_quantize`` gives for float32, from torch's own operators.

    Args:
        x: float32, any shape. format: one without blocks.

    >>> from chop.nn.quantizers.number_format import NumberFormat
    >>> f = NumberFormat("minifloat_ieee", (), (4.0, 2.0, 1.0), 4)
    >>> number_formula(torch.tensor([0.3, -0.2, 100.0]), f)
    tensor([0.5000, -0.0000, 6.0000])
    """
    return values_of(TorchArithmetic(), x.double(), format).to(x.dtype)
