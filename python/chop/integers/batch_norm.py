"""Batch norm in eval mode as torch computes it: one factor and one offset a channel, both float32."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from chop.integers.view import ViewNode

_MANTISSA, _LEAST_EXPONENT = 24, -149  # of float32


def affine_of(node: ViewNode, fuses: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (factor, offset), float32, shape [channels], so that ``y = x * factor + offset``.

    Args:
        node: a ``batch_norm1d`` or ``batch_norm2d``.
        fuses: whether the offset is rounded once, as torch does where it has fused kernels.
    """
    mean, variance = node.values["running_mean"], node.values["running_var"]
    weight = node.values.get("weight", np.ones_like(mean))
    bias = node.values.get("bias", np.zeros_like(mean))
    eps = np.float32(node.attributes["eps"])
    factor = (np.float32(1) / np.sqrt(variance + eps)) * weight
    if not fuses:
        return factor, bias - mean * factor
    offset = [fused(-m, a, b) for m, a, b in zip(mean.tolist(), factor.tolist(), bias.tolist(), strict=True)]
    return factor, np.array(offset, np.float32)


def fused(a: float, b: float, c: float) -> float:
    """Return ``a * b + c`` rounded once to float32; what is not finite is computed in double.

    >>> fused(1 + 2**-12, 1 - 2**-12, -1.0) == -(2.0**-24)
    True
    """
    plain = a * b + c
    if not np.isfinite(plain):
        return plain
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return plain
    exponent = max(_floor_log2(abs(exact)) - _MANTISSA + 1, _LEAST_EXPONENT)
    rounded = round(exact / Fraction(2) ** exponent)  # Python rounds half to even
    return float(np.float32(float(rounded * Fraction(2) ** exponent)))


def _floor_log2(value: Fraction) -> int:
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return guess if Fraction(2) ** guess <= value else guess - 1
