"""Thresholds and multiply-add-shift against the function that they stand for, on its whole range."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chop.integers.batch_norm import multiply_add
from chop.integers.steps import _slopes, multiply_add_shift, thresholds

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

    a, b, c = numbers
    found = Fraction(float(multiply_add(np.float32(a), np.float32(b), np.float32(c), True)))
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    near = [np.nextafter(np.float32(found), np.float32(side)) for side in (-np.inf, np.inf)]
    assert all(abs(found - exact) <= abs(Fraction(float(n)) - exact) for n in near)


def slopes_of_all_pairs(steps: list[int]) -> tuple[Fraction, Fraction | None]:
    """The largest lower and the smallest upper bound that two steps put on a line's slope."""
    pairs = [(j - i, steps[j] - steps[i]) for j in range(len(steps)) for i in range(j)]
    low = max((Fraction(k, run + 1) for k, run in pairs), default=Fraction(0))
    return low, min((Fraction(k, run - 1) for k, run in pairs if run > 1), default=None)


def line_of_all_pairs(first: int, steps: list[int]) -> tuple[int, int] | None:
    """(A, s) of the first line that a plain search finds, shift by shift, factor by factor."""
    low, high = slopes_of_all_pairs(steps)
    for shift in range(12):
        least = max(1, int(low * 2**shift))
        most = least + 64 if high is None else min(least + 64, int(high * 2**shift) + 1)
        for factor in range(least, most + 1):
            above = max((first + 1 + k) * 2**shift - factor * t for k, t in enumerate(steps))
            below = min((first + 1 + k) * 2**shift - factor * (t - 1) for k, t in enumerate(steps))
            if above < below:
                return factor, shift
    return None


@given(
    first=st.integers(-9, 9),
    start=st.integers(-(2**40), 2**40),
    rises=st.lists(st.integers(0, 9), max_size=12) | st.lists(st.integers(2, 3), max_size=12),
)
def test_a_line_is_found_where_a_plain_search_finds_one(first: int, start: int, rises: list[int]) -> None:
    steps = np.cumsum([start, *rises])
    found, wanted = multiply_add_shift(first, steps, int(steps[-1])), line_of_all_pairs(first, steps.tolist())
    if wanted is not None:
        assert found is not None and (found[0], found[2]) == wanted
    elif found is not None:
        assert found[2] >= 12
    if found is not None:
        a, b, s = found
        for k, t in enumerate(steps.tolist()):
            assert (a * t + b) >> s >= first + 1 + k > (a * (t - 1) + b) >> s


@given(
    corners=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 200)), min_size=1, max_size=6),
    falls=st.booleans(),
)
def test_steps_of_what_is_no_line(corners: list[tuple[int, int]], falls: bool) -> None:
    places = np.concatenate([[LOW], LOW + np.cumsum([run for _, run in corners])])
    heights = np.concatenate([[0], np.cumsum([rise * run for rise, run in corners])])
    sums = np.arange(LOW, HIGH + 1)

    def codes(v: np.ndarray) -> np.ndarray:
        return np.floor(np.interp(-v if falls else v, places, heights)).astype(np.int64)

    sign, first, steps = thresholds(codes, np.array([LOW]), np.array([HIGH]))
    counted = first[0] + (sign[0] * sums[:, None] >= steps[0]).sum(1)
    assert np.array_equal(counted, codes(sums))


def test_many_levels_take_no_more_looks_at_the_function() -> None:
    looks = []
    for bits in (6, 12):
        calls = []

        def codes(v: np.ndarray, top: int = (1 << bits) - 1, calls: list[int] = calls) -> np.ndarray:
            calls.append(v.size)
            return np.clip(np.rint(v.astype(np.float32) * np.float32(top / 190_000.3) + 7.3), 0, top)

        thresholds(lambda v: codes(v).astype(np.int64), np.array([-100_000] * 3), np.array([100_000] * 3))
        looks.append(len(calls))
    assert max(looks) <= 26 and looks[1] <= looks[0] + 4  # 18 for the ends, the rest for all steps between


@given(st.lists(st.integers(0, 2**61 // 8), min_size=1, max_size=8))
def test_slopes_of_sums_that_int64_cannot_multiply(rises: list[int]) -> None:
    runs = np.cumsum([0, *rises])
    low, high = slopes_of_all_pairs(runs.tolist())
    assert _slopes(runs) == (float(low), np.inf if high is None else float(high))
