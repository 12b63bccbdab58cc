"""The integer quantizer in torch's own operations, for devices and dtypes that have no native kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from chop.nn.quantizers.format import IntegerFormat


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


def _on_grid(x: Tensor, grid: IntegerFormat) -> Tensor:
    v = x.mul(2.0**grid.frac_width)
    code = _rounded(x, v, grid.rounding)
    code = code.clamp(grid.qmin, grid.qmax) if grid.overflow == "saturate" else _wrapped(code, x, v, grid)
    return code.mul(grid.scale)


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


def _wrapped(code: Tensor, x: Tensor, v: Tensor, grid: IntegerFormat) -> Tensor:
    """The code modulo 2^width: every step is exact but the last, which rounds what the dtype cannot hold."""
    turns = _up_from(code.mul(2.0**-grid.width), 0.5 if grid.is_signed else 2.0)
    # A finite x whose v is infinite is a multiple of the modulus; an infinite x gives NaN.
    return torch.where(v.isinf(), x - x, code - turns.mul(2.0**grid.width))
