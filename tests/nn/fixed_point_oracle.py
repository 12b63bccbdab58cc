"""The fixed-point quantizer on Python's whole numbers: exact for every float, in every mode."""

from __future__ import annotations

import math

import numpy as np

MODES = [
    (rounding, overflow)
    for rounding in ("half_even", "floor", "half_up")
    for overflow in ("saturate", "wrap")
]
Format = tuple[int, int, bool, str, str]


def rounded(x: float, frac_width: int, rounding: str) -> int:
    """``x * 2**frac_width`` as a whole number."""
    top, bottom = x.as_integer_ratio()
    top, bottom = top << max(frac_width, 0), bottom << max(-frac_width, 0)
    if rounding == "floor":
        return top // bottom
    if rounding == "half_up":
        return (2 * top + bottom) // (2 * bottom)
    down, rest = divmod(top, bottom)
    return down + (2 * rest > bottom or (2 * rest == bottom and down % 2 == 1))


def value(x: float, kind: type[np.floating], format: Format) -> np.floating:
    """The quantized ``x`` in the dtype ``kind``, which rounds the code where it cannot hold it."""
    width, frac_width, is_signed, rounding, overflow = format
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if is_signed else (0, 2**width - 1)
    step = kind(2.0**-frac_width)
    if math.isnan(x) or (math.isinf(x) and overflow == "wrap"):
        return kind("nan")
    if math.isinf(x):
        return kind(high if x > 0 else low) * step
    code = rounded(x, frac_width, rounding)
    if code == 0:
        # half_even keeps the sign of what it rounds away, floor that of a zero, half_up none.
        keeps = rounding == "half_even" or (rounding == "floor" and x == 0)
        return kind(math.copysign(0.0, x)) if keeps else kind(0.0)
    code = min(max(code, low), high) if overflow == "saturate" else (code - low) % 2**width + low
    return kind(code) * step


def quantized(x: np.ndarray, format: Format) -> np.ndarray:
    """Every element of ``x``, float32 or float64, in its own dtype."""
    kind = x.dtype.type
    flat = [value(float(v), kind, format) for v in x.ravel()]
    return np.array(flat, dtype=x.dtype).reshape(x.shape)


def assert_same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal to the sign of zero; any NaN equals any other."""
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)
    kept = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(actual)[kept], np.signbit(expected)[kept])


def same_bits(actual: np.ndarray, expected: np.ndarray) -> bool:
    """Whether shape, dtype, numbers and their signs are the same; any NaN equals any other."""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return False
    same = (actual == expected) & (np.signbit(actual) == np.signbit(expected))
    return bool((same | (np.isnan(actual) & np.isnan(expected))).all())
