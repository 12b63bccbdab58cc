"""The integer quantizer in torch's own operations, for devices and dtypes that have no native kernel."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from chop.nn.quantizers.format import FRAC_WIDTH_RANGE, IntegerFormat


class _Grid(NamedTuple):
    """What is computed with: floats, or tensors that broadcast against ``x``."""

    inverse: float | Tensor
    scale: float | Tensor
    low: float | Tensor
    high: float | Tensor
    modulus: float | Tensor
    is_signed: bool
    rounding: str
    overflow: str


# 2.0 ** tensor is a pow, which need not be exact everywhere.
_POWERS = torch.tensor(
    [2.0**e for e in range(FRAC_WIDTH_RANGE[0], FRAC_WIDTH_RANGE[1] + 1)], dtype=torch.float64
)


def fake_quantize_formula(x: Tensor, grid: IntegerFormat) -> Tensor:
    """Return the numbers that ``torch.ops.chop.integer_quantize`` gives, on any device.

    Args:
        x: real tensor of any shape. float32 and float64 stay; half types are computed in float32 and rounded to the
            half type; integers are computed in float64 (float32 on MPS) and give the default dtype.
        grid: the format.

    Raises:
        TypeError: complex numbers.

    >>> fake_quantize_formula(torch.tensor([0.3, 9.0]), IntegerFormat(8, 4, overflow="wrap"))
    tensor([ 0.3125, -7.0000])
    """
    numbers = _Grid(
        inverse=2.0**grid.frac_width,
        scale=grid.scale,
        low=float(grid.qmin),
        high=float(grid.qmax),
        modulus=2.0**grid.width,
        is_signed=grid.is_signed,
        rounding=grid.rounding,
        overflow=grid.overflow,
    )
    return _in_wide_dtype(x, numbers)


def element_formula(
    x: Tensor, widths: Tensor, frac_widths: Tensor, is_signed: bool, rounding: str, overflow: str
) -> Tensor:
    """Return the numbers that ``torch.ops.chop.integer_quantize_elements`` gives, on any device.

    Args:
        x: as for :func:`fake_quantize_formula`.
        widths, frac_widths: whole numbers, in a shape that broadcasts against ``x``; an element of width 0 becomes 0.
        is_signed, rounding, overflow: of all elements.

    >>> element_formula(torch.tensor([0.3, 9.0]), torch.tensor([8, 0]), torch.tensor([4, 0]), True, "floor", "wrap")
    tensor([0.2500, 0.0000])
    """
    wide = torch.float32 if x.device.type == "mps" or x.dtype != torch.float64 else torch.float64
    wide = wide if x.dtype.is_floating_point or x.device.type == "mps" else torch.float64
    low, high = element_range(widths, is_signed)
    inverse, scale, low, high, modulus = (
        each.to(wide).to(x.device)
        for each in (_power(frac_widths), _power(-frac_widths), low, high, _power(widths))
    )
    grid = _Grid(inverse, scale, low, high, modulus, is_signed, rounding, overflow)
    quantized = _in_wide_dtype(x, grid)
    return quantized.masked_fill((widths == 0).to(x.device), 0)


def element_range(widths: Tensor, is_signed: bool) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest code of each width, float64; 0 and 0 for the width 0."""
    codes = torch.where(widths == 0, 0, widths - int(is_signed))
    high = _power(codes) - 1
    return torch.where(widths == 0, 0, -_power(codes)) if is_signed else torch.zeros_like(high), high


def _power(exponents: Tensor) -> Tensor:
    return _POWERS[exponents.long() - FRAC_WIDTH_RANGE[0]]


def _in_wide_dtype(x: Tensor, grid: _Grid) -> Tensor:
    if x.dtype.is_complex:
        raise TypeError("integer_quantizer needs real numbers, got a complex tensor")
    if not x.dtype.is_floating_point:
        # Codes up to 2^53 stay exact on the way; MPS has no float64.
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        return _on_grid(x.to(wide), grid).to(torch.get_default_dtype())
    if x.dtype in (torch.float32, torch.float64):
        return _on_grid(x, grid)
    # Half types would overflow at x * 2^frac; all but the bounds is exact on the way back.
    return _on_grid(x.float(), grid).to(x.dtype)


def _on_grid(x: Tensor, grid: _Grid) -> Tensor:
    v = x.mul(grid.inverse)
    code = _rounded(x, v, grid.rounding)
    code = _clamped(code, grid) if grid.overflow == "saturate" else _wrapped(code, x, v, grid)
    return code.mul(grid.scale)


def _clamped(code: Tensor, grid: _Grid) -> Tensor:
    if isinstance(grid.low, Tensor):  # clamp takes 0.0 for -0.0 where the ends are tensors
        code = torch.where(code < grid.low, grid.low, code)
        return torch.where(code > grid.high, grid.high, code)
    return code.clamp(grid.low, grid.high)  # type: ignore[arg-type]


def _rounded(x: Tensor, v: Tensor, rounding: str) -> Tensor:
    if rounding == "half_even":
        return v.round()
    if rounding == "half_up":
        return _up_from(v, 0.5)
    below = v.floor()
    return torch.where(x < 0, below.clamp(max=-1), below)  # x may be so small that v became -0.0


def _up_from(v: Tensor, part: float) -> Tensor:
    """One more than the floor where ``v`` lies at least ``part`` above it; ``v + part`` would round."""
    below = v.floor()
    return below + (v - below >= part)


def _wrapped(code: Tensor, x: Tensor, v: Tensor, grid: _Grid) -> Tensor:
    """The code modulo 2^width: every step is exact but the last, which rounds what the dtype cannot hold."""
    turns = _up_from(code.mul(1 / grid.modulus), 0.5 if grid.is_signed else 2.0)
    # A finite x whose v is infinite is a multiple of the modulus; an infinite x gives NaN.
    return torch.where(v.isinf(), x - x, code - turns.mul(grid.modulus))
