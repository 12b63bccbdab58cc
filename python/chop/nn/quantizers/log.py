"""Powers of two with a sign: rounded in the logarithm, without a zero.

Source: MASE's ``log_quantizer``; borders between two powers lie exactly at the root of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from chop.nn.quantizers.fields import Field, Whole
from chop.nn.quantizers.minifloat_ieee import EXPONENT_BIAS
from chop.nn.quantizers.number_format import NumberFormat, pairs
from chop.nn.quantizers.spec import QUANTIZERS
from chop.nn.quantizers.value_spec import Biases, ValueSpec, autograd_function, quantize_by

WIDTH = Whole(2, 16)


def log_quantizer(x: Tensor, width: int, exponent_bias: int | None = None) -> Tensor:
    """Bring ``x`` to ``sign(x) * 2^k``, ``k`` the nearest whole number to ``log2 |x|``.

    Args:
        x: real tensor of any shape; the dtype stays.
        width: bits, sign included: ``k`` has ``n = width - 1`` of them and goes from ``-exponent_bias`` to
            ``2**n - 1 - exponent_bias``.
        exponent_bias: None means ``2**(n - 1) - 1``.

    Returns:
        Same shape. Both ends saturate; zeros of either sign give the smallest positive value. NaN stays. The gradient
        is that of the identity.

    Raises:
        ConfigError: a number out of range.

    >>> import torch
    >>> log_quantizer(torch.tensor([3.0, -0.7, 0.0]), 4)
    tensor([ 4.0000, -0.5000,  0.1250])
    """
    return quantize_by(SPEC, log_quantizer, x, width=width, exponent_bias=exponent_bias)


class LogSpec(ValueSpec):
    """Fields of an operand: ``width`` (2..16), ``exponent_bias`` (None or a number)."""

    name = "log"
    class_suffix = "Log"
    fields = ("width", "exponent_bias")
    kinds: ClassVar[Mapping[str, Field]] = {"width": WIDTH, "exponent_bias": EXPONENT_BIAS}
    function = staticmethod(log_quantizer)

    def make_format(self, where: str, width: int, exponent_bias: int | None = None, **_: Any) -> NumberFormat:
        bias = 2 ** (width - 2) - 1 if exponent_bias is None else exponent_bias
        arguments = {"width": width, "exponent_bias": exponent_bias}
        return NumberFormat(self.name, pairs(arguments), (float(width), float(bias)), width)

    def choices(self, entries: Mapping[str, Any], biases: Biases) -> list[dict[str, Any]]:
        if "exponent_bias" in entries:
            return [dict(entries)]
        # The largest error lies at 2^(k - 1/2), which becomes 2^k: 0.29 of that.
        of_data = biases(0.5, 2 ** (entries["width"] - 1), 0, 0.5, zero=True)
        tried: list[int | None] = [*of_data]
        return [{**entries, "exponent_bias": bias} for bias in tried or [None]]


SPEC = LogSpec()
QUANTIZERS[SPEC.name] = SPEC
LogQuantize = autograd_function("LogQuantize", log_quantizer)
