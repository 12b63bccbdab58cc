"""Small floats without a hidden bit.

Source: MASE's ``minifloat_denorm_quantizer``; powers of two are values of the format and stay.
"""

from __future__ import annotations

from torch import Tensor

from chop.nn.quantizers.minifloat_ieee import MinifloatIEEESpec
from chop.nn.quantizers.spec import QUANTIZERS
from chop.nn.quantizers.value_spec import autograd_function, quantize_by


def minifloat_denorm_quantizer(
    x: Tensor, width: int, exponent_width: int, exponent_bias: int | None = None
) -> Tensor:
    """Bring ``x`` to the nearest ``(-1)^s * 2^(E - bias) * f / 2^m``, ``0 <= f < 2^m``, ties to even.

    Args:
        x: real tensor of any shape; the dtype stays.
        width: bits, sign included.
        exponent_width: bits of the exponent; the mantissa has ``m = width - exponent_width - 1``, 1 or more.
        exponent_bias: None means ``2**(exponent_width - 1) - 1``.

    Returns:
        Same shape. Larger magnitudes, infinities too, become the largest one; NaN stays. Zeros keep their sign. The
        gradient is that of the identity.

    Raises:
        ConfigError: a number out of range, or more significant bits than the dtype has.

    >>> import torch
    >>> minifloat_denorm_quantizer(torch.tensor([1.0, 1.97, 1000.0]), 8, 4)
    tensor([  1.,   2., 224.])
    """
    return quantize_by(
        SPEC,
        minifloat_denorm_quantizer,
        x,
        width=width,
        exponent_width=exponent_width,
        exponent_bias=exponent_bias,
    )


class MinifloatDenormSpec(MinifloatIEEESpec):
    """Fields as for ``minifloat_ieee``; the mantissa needs a bit."""

    name = "minifloat_denorm"
    class_suffix = "MinifloatDenorm"
    function = staticmethod(minifloat_denorm_quantizer)
    least_mantissa = 1


SPEC = MinifloatDenormSpec()
QUANTIZERS[SPEC.name] = SPEC
MinifloatDenormQuantize = autograd_function("MinifloatDenormQuantize", minifloat_denorm_quantizer)
