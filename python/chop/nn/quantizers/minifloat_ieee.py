"""Small floats with subnormals and without infinities: the top exponent is an ordinary one.

Source: MASE's ``minifloat_ieee_quantizer``; rounding is to the nearest value, ties to even, with its carry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from chop.nn.quantizers.fields import Field, Whole
from chop.nn.quantizers.number_format import NumberFormat, pairs
from chop.nn.quantizers.spec import QUANTIZERS
from chop.nn.quantizers.value_spec import Biases, ValueSpec, autograd_function, quantize_by
from chop.tools.errors import ConfigError

WIDTH, EXPONENT_WIDTH = Whole(2, 32), Whole(1, 16)
EXPONENT_BIAS = Whole(-(2**16), 2**16, or_none=True)


def minifloat_ieee_quantizer(
    x: Tensor, width: int, exponent_width: int, exponent_bias: int | None = None
) -> Tensor:
    """Bring ``x`` to the nearest float of some bits: ``(-1)^s * 2^(E - bias) * (1 + f / 2^m)``, subnormals at E = 0.

    Args:
        x: real tensor of any shape; the dtype stays.
        width: bits, sign included.
        exponent_width: bits of the exponent; the mantissa has ``m = width - exponent_width - 1``, 0 or more.
        exponent_bias: None means ``2**(exponent_width - 1) - 1``.

    Returns:
        Same shape. Larger magnitudes, infinities too, become the largest one; NaN stays. Zeros keep their sign. The
        gradient is that of the identity.

    Raises:
        ConfigError: a number out of range, or more significant bits than the dtype has.

    >>> import torch
    >>> minifloat_ieee_quantizer(torch.tensor([1.97, 0.3, -7.6]), 8, 4)
    tensor([ 2.0000,  0.3125, -7.5000])
    """
    return quantize_by(
        SPEC,
        minifloat_ieee_quantizer,
        x,
        width=width,
        exponent_width=exponent_width,
        exponent_bias=exponent_bias,
    )


class MinifloatIEEESpec(ValueSpec):
    """Fields of an operand: ``width`` (2..32), ``exponent_width`` (1..16), ``exponent_bias`` (None or a number)."""

    name = "minifloat_ieee"
    class_suffix = "MinifloatIEEE"
    fields = ("width", "exponent_width", "exponent_bias")
    kinds: ClassVar[Mapping[str, Field]] = {
        "width": WIDTH,
        "exponent_width": EXPONENT_WIDTH,
        "exponent_bias": EXPONENT_BIAS,
    }
    function = staticmethod(minifloat_ieee_quantizer)
    least_mantissa = 0

    def make_format(
        self, where: str, width: int, exponent_width: int, exponent_bias: int | None = None, **_: Any
    ) -> NumberFormat:
        mantissa = width - exponent_width - 1
        if mantissa < self.least_mantissa:
            raise ConfigError(
                f"{where}exponent_width must leave {self.least_mantissa} or more bits for the mantissa beside "
                f"the sign, got {exponent_width} of {width}"
            )
        bias = 2 ** (exponent_width - 1) - 1 if exponent_bias is None else exponent_bias
        arguments = {
            "width": width,
            "exponent_width": exponent_width,
            "exponent_bias": exponent_bias,
        }
        numbers = float(width), float(exponent_width), float(bias)
        digits = mantissa + 1 - self.least_mantissa
        return NumberFormat(self.name, pairs(arguments), numbers, width, digits=digits)

    def choices(self, entries: Mapping[str, Any], biases: Biases) -> list[dict[str, Any]]:
        # With 9 bits all exponents of float32 are there.
        widths = range(1, min(entries["width"] - self.least_mantissa, 10))
        found = []
        for exponent_width in [entries["exponent_width"]] if "exponent_width" in entries else widths:
            mantissa, hidden = entries["width"] - exponent_width - 1, 1 - self.least_mantissa
            top, exponent = math.frexp(1 + hidden - 2.0**-mantissa)
            exponent += 2**exponent_width - 1
            of_data = biases(top, exponent, hidden - mantissa, 2.0 ** -(mantissa + hidden + 1))
            biases_tried = [entries["exponent_bias"]] if "exponent_bias" in entries else [*of_data]
            for bias in biases_tried or [None]:
                found.append({**entries, "exponent_width": exponent_width, "exponent_bias": bias})
        return found


SPEC = MinifloatIEEESpec()
QUANTIZERS[SPEC.name] = SPEC
MinifloatIEEEQuantize = autograd_function("MinifloatIEEEQuantize", minifloat_ieee_quantizer)
