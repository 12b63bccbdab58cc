"""Moments of numbers that differ in their last digits: as exact as two passes over stored numbers, however cut."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chop.passes.graph.analysis.statistical_profiler import create_new_stat

TOLERANCE = 1e-9
ONLINE = {
    "variance_online": {},
    "moments": {},
    "variance_precise": {},
}


def exact(x: np.ndarray) -> tuple[float, float]:
    """Mean and variance of the finite float64 numbers, by fractions."""
    numbers = [Fraction(float(v)) for v in x]
    mean = sum(numbers) / len(numbers)
    return float(mean), float(sum((v - mean) ** 2 for v in numbers) / (len(numbers) - 1))


def pieces(x: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return [part for part in np.split(x, sorted(cuts)) if len(part)]


def fed(name: str, parts: list[np.ndarray], **arguments: object):
    statistic = create_new_stat(name, dims="all", **arguments)
    for part in parts:
        statistic.update_a_sample(torch.from_numpy(part))
    return statistic


@st.composite
def streams(draw):
    """(numbers, cuts, first value of the stream beside the others, at which part a merge begins)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 300))
    offset = draw(st.sampled_from([0.0, 1.0, -1e8, 1e8, 1e12, -3e15, 1e-8]))
    deviation = draw(st.sampled_from([1e-3, 1.0, 1e-6, 1e3])) * max(1.0, abs(offset) / 1e10)
    x = offset + deviation * rng.standard_normal(count)
    outlier = draw(st.sampled_from([None, 0.0, math.nan, 1e8, -1e10]))
    if outlier is not None:
        x[0] = outlier
    cuts = draw(st.lists(st.integers(0, count), max_size=6))
    return x, cuts, draw(st.integers(0, 7))


def compare(x: np.ndarray, cuts: list[int], begin: int) -> None:
    parts = pieces(x, cuts)
    numbers = x[~np.isnan(x)]
    if len(numbers) < 2:
        return
    mean, variance = exact(numbers)
    for name in ONLINE:
        whole, tail = fed(name, parts[:begin]), fed(name, parts[begin:])
        if parts[begin:]:
            whole.merge(tail)
        found = whole.compute()
        scale = float(np.abs(numbers).max())
        assert found["mean"] == pytest.approx(mean, abs=4e-16 * scale), name
        assert found["variance"] == pytest.approx(variance, rel=TOLERANCE, abs=1e-300), name
        assert found["count"] == len(numbers)


@given(streams())
@settings(max_examples=150)
def test_moments_against_fractions(stream):
    compare(*stream)


@pytest.mark.soak
@given(streams())
@settings(max_examples=12_000)
def test_moments_of_many_streams(stream):
    compare(*stream)


@pytest.mark.parametrize("groups", [1, 3, 32, 33, 64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_channel_by_itself(groups, dtype):
    rng = np.random.default_rng(groups)
    offsets = (
        rng.choice([1e8, -1e8, 0.0, 5.0], groups)
        if dtype == np.float64
        else rng.choice([2048.0, -1.0], groups)
    )
    x = (offsets + 1e-3 * rng.standard_normal((700, groups))).astype(dtype)
    x[0, groups // 2] = np.nan
    for name in ONLINE:
        statistic = create_new_stat(name, dims=[0])
        for part in np.split(x, [1, 2, 65, 600]):
            statistic.update_a_sample(torch.from_numpy(part))
        found = statistic.compute()["variance"].numpy()
        wanted = [exact(x[~np.isnan(x[:, g]), g])[1] for g in range(groups)]
        np.testing.assert_allclose(found, wanted, rtol=TOLERANCE)


def test_place_by_place():
    rng = np.random.default_rng(0)
    x = 1e8 + 1e-3 * rng.standard_normal((50, 7))
    for name in ("variance_online", "moments"):
        statistic = create_new_stat(name, dims=None)
        for row in x:
            statistic.update_a_sample(torch.from_numpy(row))
        np.testing.assert_allclose(
            statistic.compute()["variance"].numpy(), [exact(column)[1] for column in x.T], rtol=TOLERANCE
        )


def test_a_range_of_some_deviations():
    x = 1e8 + 1e-3 * np.random.default_rng(1).standard_normal(999)
    _, variance = exact(x)
    for mode in ("online", "precise"):
        found = fed("range_n_sigma", pieces(x, [1, 400]), var_mode=mode, num_sigma=2.0).compute()
        assert found["range"] == pytest.approx(4 * math.sqrt(variance), rel=TOLERANCE)


def test_many_small_batches():
    """Rounding does not add up over the updates."""
    x = 1e8 + 1e-3 * np.random.default_rng(2).standard_normal(6000)
    _, variance = exact(x)
    assert fed("variance_online", list(x.reshape(-1, 1))).compute()["variance"] == pytest.approx(
        variance, rel=TOLERANCE
    )


@pytest.mark.parametrize("first", [math.nan, math.inf, -math.inf, 1e300, -0.0])
def test_the_first_number_is_no_measure(first):
    x = 1e8 + 1e-3 * np.random.default_rng(3).standard_normal(100)
    for name in ONLINE:
        found = fed(name, [np.array([first]), x]).compute()
        if math.isnan(first):
            assert found["variance"] == pytest.approx(exact(x)[1], rel=TOLERANCE) and found["nan_count"] == 1
        elif math.isinf(first):
            assert found["mean"] == first and math.isnan(found["variance"])
        elif first == 0:
            assert found["variance"] == pytest.approx(exact(np.append(x, 0.0))[1], rel=TOLERANCE)
        else:
            assert found["variance"] == math.inf and found["mean"] == pytest.approx(1e300 / 101)


def test_equal_numbers_have_no_variance():
    for value in (1e8 + 0.1, -1e300, 5e-324, 3.3):
        for name in ONLINE:
            found = fed(name, pieces(np.full(1000, value), [3, 500])).compute()
            assert found["variance"] == 0 and found["mean"] == value
