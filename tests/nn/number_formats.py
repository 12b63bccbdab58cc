"""Number formats once more, in NumPy's float64 and by their definitions: what tests hold the native ones to."""

from __future__ import annotations

from itertools import product

import numpy as np

BORDER = 0.7071067811865476  # the double just above the root of one half


def floor_log2(x):
    return np.frexp(x)[1] - 1


def float_grid(x, bits, step, largest):
    """The nearest float with so many significant bits, no step below ``2**step``, no magnitude above ``largest``."""
    x = np.asarray(x, np.float64)
    inside = np.minimum(np.abs(x), largest)
    exponent = np.where(
        inside > 0, np.maximum(floor_log2(np.where(inside > 0, inside, 1)) - bits + 1, step), 0
    )
    return np.copysign(np.ldexp(np.rint(np.ldexp(inside, -exponent)), exponent), x)


def minifloat_ieee(x, width, exponent_width, exponent_bias=None):
    m = width - exponent_width - 1
    b = 2 ** (exponent_width - 1) - 1 if exponent_bias is None else exponent_bias
    return float_grid(x, m + 1, 1 - b - m, np.ldexp(2 - 2.0**-m, 2**exponent_width - 1 - b))


def minifloat_denorm(x, width, exponent_width, exponent_bias=None):
    m = width - exponent_width - 1
    b = 2 ** (exponent_width - 1) - 1 if exponent_bias is None else exponent_bias
    return float_grid(x, m, -b - m, np.ldexp(1 - 2.0**-m, 2**exponent_width - 1 - b))


def log(x, width, exponent_bias=None):
    n = width - 1
    b = 2 ** (n - 1) - 1 if exponent_bias is None else exponent_bias
    x = np.asarray(x, np.float64)
    fraction, exponent = np.frexp(np.where(x == 0, 1.0, np.abs(x)))
    k = np.where(fraction >= BORDER, exponent, exponent - 1)
    k = np.where(x == 0, -b, np.clip(k, -b, 2**n - 1 - b))
    return np.where(x < 0, -1.0, 1.0) * np.ldexp(1.0, k)


def blocks(x, block_size, skip_first_dim):
    """The tensor in the shape that is cut, and the index of each of its blocks."""
    shape = x.shape
    if skip_first_dim and len(shape) > 3:
        shape = (int(np.prod(shape[:-2])), *shape[-2:])
    sizes = list(shape)
    given = list(block_size)[-len(shape) :]
    for place, entry in enumerate(reversed(given), 1):
        sizes[-place] = min(sizes[-place], entry) if entry != -1 else sizes[-place]
    if skip_first_dim and len(shape) > 1:
        sizes[0] = 1
    ranges = [
        [slice(start, start + size) for start in range(0, whole, size)]
        for whole, size in zip(shape, sizes, strict=True)
    ]
    return x.reshape(shape), list(product(*ranges))


def by_block(x, block_size, skip_first_dim, rule):
    view, found = blocks(np.asarray(x, np.float64), block_size, skip_first_dim)
    out = np.empty_like(view)
    for index in found:
        out[index] = rule(view[index], np.abs(view[index]).max())
    return out.reshape(x.shape)


def block_fp(x, width, exponent_width, exponent_bias, block_size, skip_first_dim):
    m = width - 1
    b = 2 ** (exponent_width - 1) - 1 if exponent_bias is None else exponent_bias

    def rule(v, most):
        shared = -b if most == 0 else np.clip(floor_log2(most) + 1, -b, 2**exponent_width - 1 - b)
        codes = np.minimum(np.rint(np.ldexp(np.abs(v), int(m - shared))), 2**m - 1)
        return np.copysign(np.ldexp(codes, int(shared - m)), v)

    return by_block(x, block_size, skip_first_dim, rule)


def block_minifloat(x, width, exponent_width, exponent_bias_width, block_size, skip_first_dim):
    def rule(v, most):
        top = 2**exponent_width - 1
        bias = 0 if most == 0 else np.clip(top - floor_log2(most), 0, 2**exponent_bias_width - 1)
        return minifloat_ieee(v, width, exponent_width, int(bias))

    return by_block(x, block_size, skip_first_dim, rule)


def block_log(x, width, exponent_bias_width, block_size, skip_first_dim):
    def rule(v, most):
        if most == 0:
            return log(v, width, 2**exponent_bias_width - 1)
        fraction, exponent = np.frexp(most)
        above = exponent - 1 if fraction == 0.5 else exponent
        bias = np.clip(2 ** (width - 1) - 1 - above, 0, 2**exponent_bias_width - 1)
        return log(v, width, int(bias))

    return by_block(x, block_size, skip_first_dim, rule)


MX = {  # name: mantissa bits, bias, largest, exponent of the largest
    "mxfp8_e4m3": (3, 7, 448.0, 8),
    "mxfp8_e5m2": (2, 15, 57344.0, 15),
    "mxfp6_e3m2": (2, 3, 28.0, 4),
    "mxfp6_e2m3": (3, 1, 7.5, 2),
    "mxfp4": (1, 1, 6.0, 2),
    "mxint8": (0, 0, 127 / 64, 0),
}


def mx(name, x, block_size=32):
    m, bias, largest, emax = MX[name]

    def rule(v, most):
        shared = -127 if most == 0 else int(np.clip(floor_log2(most) - emax, -127, 127))
        elements = np.ldexp(v, -shared)
        if name == "mxint8":
            return np.ldexp(np.clip(np.rint(elements * 64), -128, 127) / 64, shared)
        return np.ldexp(float_grid(elements, m + 1, 1 - bias - m, largest), shared)

    return by_block(x, [*[1] * 8, block_size], False, rule)


def ternary(x, scaling_factor, threshold=None):
    x = np.asarray(x, np.float64)
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    delta = 0.75 * np.abs(x).mean(axis=axes, keepdims=True) if threshold is None else threshold
    above = np.abs(x) > delta
    count = above.sum(axis=axes, keepdims=True)
    alpha = (
        (np.abs(x) * above).sum(axis=axes, keepdims=True) / np.maximum(count, 1) if scaling_factor else 1.0
    )
    return np.sign(x) * above * alpha


def binary(x, bipolar):
    x = np.asarray(x, np.float64)
    if bipolar:
        return np.where(x >= 0, 1.0, -1.0)
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    return np.where(x > 0, np.abs(x).mean(axis=axes, keepdims=True), 0.0)
