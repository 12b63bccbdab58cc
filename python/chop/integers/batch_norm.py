"""Batch norm in eval mode as torch computes it: one factor and one offset a channel, both float32."""

from __future__ import annotations

import numpy as np

from chop.integers.view import ViewNode


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
    return factor, multiply_add(-mean, factor, bias, fuses)


def multiply_add(a: np.ndarray, b: np.ndarray, c: np.ndarray, fuses: bool) -> np.ndarray:
    """Return ``a * b + c`` in float32, rounded once if it ``fuses``, else twice.

    Double holds the product exactly; its sum is rounded to odd, so that the second rounding cannot tell that there
    was a first one (Boldo and Melquiond, IEEE Transactions on Computers 57(4), 2008).

    >>> one = np.float32(1)
    >>> float(multiply_add(one + 2**-12, one - 2**-12, -one, True)) == -(2.0**-24)
    True
    """
    a, b, c = (np.asarray(v, np.float32) for v in (a, b, c))
    if not fuses:
        return np.asarray(a * b + c, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        product, addend = a.astype(np.float64) * b, c.astype(np.float64)
        total = product + addend
        part = total - product
        error = (product - (total - part)) + (addend - part)
        even = (total.view(np.int64) & 1) == 0
        away = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
        odd = np.where(np.isfinite(total) & (error != 0) & even, away, total)
        return odd.astype(np.float32)
