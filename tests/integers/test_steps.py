"""Thresholds and multiply-add-shift against the function that they stand for, on its whole range."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chop.integers.batch_norm import multiply_add
from chop.integers.steps import multiply_add_shift, thresholds

LOW, HIGH = -300, 400


@given(
    scale=st.floats(-3, 3).filter(lambda s: abs(s) > 1e-4),
    offset=st.floats(-100, 100),
    bits=st.integers(1, 8),
)
def test_both_forms_are_the_function(scale: float, offset: float, bits: int) -> None:
    top = (1 << bits) - 1

    def codes(v: np.ndarray) -> np.ndarray:
        return np.clip(np.floor(np.float32(v) * np.float32(scale) + np.float32(offset)), 0, top).astype(
            np.int64
        )

    sums = np.arange(LOW, HIGH + 1)
    sign, first, steps = thresholds(codes, np.array([LOW]), np.array([HIGH]))
    counted = first[0] + (sign[0] * sums[:, None] >= steps[0]).sum(1)
    assert np.array_equal(counted, codes(sums))
    stop = HIGH if sign[0] > 0 else -LOW
    line = multiply_add_shift(int(first[0]), steps[0], stop)
    if line is not None:
        a, b, s = line
        found = np.clip((sign[0] * sums * a + b) >> s, first[0], first[0] + (steps[0] <= stop).sum())
        assert np.array_equal(found, codes(sums))


def test_an_even_slope_is_found_as_a_line() -> None:
    for scale in (0.11, 0.37, 0.93):
        codes = lambda v, scale=scale: np.clip(np.floor(v * scale + 3.3), 0, 63).astype(np.int64)  # noqa: E731
        _, first, steps = thresholds(codes, np.array([LOW]), np.array([HIGH]))
        assert multiply_add_shift(int(first[0]), steps[0], HIGH) is not None


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3))
def test_multiply_add_rounds_once(numbers: list[float]) -> None:
    from fractions import Fraction

    a, b, c = numbers
    found = Fraction(float(multiply_add(np.float32(a), np.float32(b), np.float32(c), True)))
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    near = [np.nextafter(np.float32(found), np.float32(side)) for side in (-np.inf, np.inf)]
    assert all(abs(found - exact) <= abs(Fraction(float(n)) - exact) for n in near)
