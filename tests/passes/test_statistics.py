"""Statistics against NumPy in float64, on streams that break naive formulas."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chop import _core
from chop.passes.graph.analysis.statistical_profiler import (
    create_new_stat,
)
from chop.passes.graph.analysis.statistical_profiler.stat import (
    STAT_NAME_TO_CLS,
    RangeQuantile,
    VarianceOnline,
)
from tests.passes.statistics_oracle import FIELDS, rows_of, statistic

FINITE_KINDS = ("normal", "offset", "constant", "tiny", "huge", "integers", "ties")
KINDS = (*FINITE_KINDS, "nan", "all_nan", "inf", "both_inf")


def numbers(kind, n, rng, dtype):
    x = rng.normal(size=n)
    if kind == "offset":
        x = 1e8 + rng.integers(-3, 4, n) * (8 if dtype == "float32" else 0.25)
    elif kind == "constant":
        x = np.full(n, 2.5)
    elif kind == "tiny":
        x = x * 1e-40
    elif kind == "huge":
        x = x * 1e36
    elif kind == "integers":
        x = np.round(x * 100)
    elif kind == "ties":
        x = np.maximum(x, 0.0)
    elif kind in ("nan", "inf", "both_inf"):
        places = rng.random(n) < 0.2
        x[places] = {"nan": [np.nan], "inf": [np.inf], "both_inf": [np.inf, -np.inf]}[kind][0]
        if kind == "both_inf" and n > 1:
            x[rng.random(n) < 0.2] = -np.inf
    elif kind == "all_nan":
        x = np.full(n, np.nan)
    return x.astype(dtype)


@st.composite
def streams(draw):
    """(batches, dims, dtype): ragged along the reduced dimensions, everything else as drawn."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    rank = draw(st.integers(1, 3))
    dims = draw(
        st.one_of(st.just("all"), st.none(), st.sets(st.integers(0, rank - 1), min_size=1).map(sorted))
    )
    sizes = st.one_of(st.sampled_from([1, 2, 31, 32, 33, 64]), st.integers(1, 40))
    shape = [draw(sizes if i == 0 else st.sampled_from([1, 2, 3, 5, 16, 33])) for i in range(rank)]
    batches = []
    for _ in range(draw(st.integers(1, 4))):
        ragged = [
            draw(sizes) if dims == "all" or (dims and i in dims and i == 0) else n
            for i, n in enumerate(shape)
        ]
        kind = draw(st.sampled_from(KINDS))
        batches.append(numbers(kind, math.prod(ragged), rng, dtype).reshape(ragged))
    return batches, dims, dtype


def check(name, batches, dims, stats=None, **kwargs):
    made = stats or create_new_stat(name, dims=dims, **kwargs)
    for batch in batches if stats is None else ():
        made.update_a_sample(torch.from_numpy(batch))
    found = made.export()[name]
    rows = rows_of(batches, dims)
    nan = np.isnan(rows).sum(0)
    most = (len(rows) - nan).max()
    for field, value in statistic(name, rows, **kwargs).items():
        if found[field] == "NA":
            assert most < 2
            continue
        got = np.array(found[field], np.float64)
        assert got.shape == value.shape
        finite = np.abs(np.where(np.isfinite(rows), rows, 0.0)).max()
        # What float64 itself can promise for numbers far from zero.
        scale = finite * 1e-14
        if field == "variance":  # an error of the mean times the spread
            spread = np.sqrt(np.nan_to_num(value, nan=0.0, posinf=0.0))
            scale = scale * (spread.max() + scale)
        np.testing.assert_allclose(got, value, rtol=1e-9, atol=scale, err_msg=f"{field} {dims} {kwargs}")
    np.testing.assert_array_equal(found.get("nan_count", 0), nan)
    if "count" in found:
        np.testing.assert_array_equal(found["count"], len(rows) - nan)


@settings(max_examples=150, deadline=None)
@given(streams(), st.sampled_from(sorted(FIELDS)), st.booleans(), st.sampled_from([0.0, 0.3, 0.5, 0.97, 1.0]))
def test_against_numpy(stream, name, absolute, quantile):
    batches, dims, _ = stream
    parameters = _core.statistics()[name]
    kwargs = {"abs": absolute} if "abs" in parameters else {}
    kwargs |= {"quantile": quantile} if "quantile" in parameters else {}
    kwargs |= {"ddof": int(absolute)} if "ddof" in parameters else {}
    kwargs |= {"var_mode": "precise" if quantile == 0.5 else "online"} if "var_mode" in parameters else {}
    check(name, batches, dims, **kwargs)


@settings(max_examples=60, deadline=None)
@given(streams(), st.sampled_from(sorted(FIELDS)))
def test_merged_parts_give_the_same_answer(stream, name):
    batches, dims, _ = stream
    parts = []
    for batch in batches:
        part = create_new_stat(name, dims=dims)
        part.update_a_sample(torch.from_numpy(batch))
        parts.append(part)
    first = create_new_stat(name, dims=dims)  # empty: merging into it changes nothing else
    for part in parts:
        first.merge(part)
    check(name, batches, dims, stats=first)


@settings(max_examples=60, deadline=None)
@given(streams(), st.integers(2, 70), st.booleans())
def test_histogram_depends_on_the_numbers_alone(stream, bins, absolute):
    batches, dims, _ = stream
    whole = create_new_stat("histogram", dims=dims, bins=bins, abs=absolute)
    merged = create_new_stat("histogram", dims=dims, bins=bins, abs=absolute)
    for batch in batches:
        whole.update_a_sample(torch.from_numpy(batch))
    for batch in reversed(batches):
        part = create_new_stat("histogram", dims=dims, bins=bins, abs=absolute)
        part.update_a_sample(torch.from_numpy(batch))
        merged.merge(part)
    rows = rows_of(batches, dims)
    rows = np.abs(rows) if absolute else rows
    flat = rows.reshape(len(rows), -1)
    results, others = whole.compute(), merged.compute()
    for group, column in enumerate(flat.T):
        x = column[np.isfinite(column)]
        assert results["infinite"].reshape(-1)[group] == np.isinf(column).sum()
        counts = results["counts"].reshape(-1, bins)[group].numpy()
        assert counts.sum() == len(x)
        np.testing.assert_array_equal(counts, others["counts"].reshape(-1, bins)[group].numpy())
        if len(x) == 0:
            continue
        low, width = (results[field].reshape(-1)[group].item() for field in ("low", "width"))
        assert (low, width) == tuple(others[field].reshape(-1)[group].item() for field in ("low", "width"))
        assert math.frexp(width)[0] == 0.5 and low % width == 0.0
        cells = np.floor(x / width) - low / width
        np.testing.assert_array_equal(np.bincount(cells.astype(np.int64), minlength=bins), counts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "kind", [*FINITE_KINDS, "nan", "both_inf", "interleaved", "two values", "first is far"]
)
def test_quantiles_of_many_numbers(kind, dtype):
    rng = np.random.default_rng(7)
    n = 150_000
    if kind == "interleaved":  # evenly spaced samples would see one channel
        x = (rng.normal(size=n) + np.arange(n) % 16 * 1000).astype("float64")
    elif kind == "two values":
        x = (np.arange(n) % 2).astype("float64")
    elif kind == "first is far":
        x = np.concatenate([np.full(n // 2, -1e30), rng.normal(size=n // 2)])
    else:
        x = numbers(kind, n, rng, "float64")
    batches = [part.to(dtype) for part in torch.from_numpy(x).split(4999)]
    for quantile in (0.97, 0.5, 1.0, 1 - 1e-6):
        for absolute in (False, True):
            stat = RangeQuantile(quantile=quantile, abs=absolute)
            for batch in batches:
                stat.update_a_sample(batch)
            rows = torch.cat(batches).double().numpy()
            expected = statistic("range_quantile", rows, quantile=quantile, abs=absolute)
            found = stat.export()["range_quantile"]
            for field, value in expected.items():
                np.testing.assert_allclose(found[field], value, rtol=1e-12, err_msg=f"{quantile} {absolute}")


def test_threads_that_merge_give_the_same_answer():
    x = torch.randn(400_000, 5) + 1e4
    for name in ("moments", "range_quantile", "variance_precise"):
        stats = [create_new_stat(name, dims=[0]) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda pair: pair[0].update_a_sample(pair[1]), zip(stats, x.split(100_000), strict=True)
                )
            )
        for other in stats[1:]:
            stats[0].merge(other)
        alone = create_new_stat(name, dims=[0])
        alone.update_a_sample(x)
        for field, value in alone.compute().items():
            np.testing.assert_allclose(stats[0].compute()[field], value, rtol=1e-12)


def test_the_cut_of_the_data_does_not_matter():
    x = torch.randn(1000) * 3
    results = []
    for cut in (1, 7, 1000):
        stat = VarianceOnline()
        for part in x.split(cut):
            stat.update_a_sample(part)
        results.append(stat.compute()["variance"].item())
    assert results == pytest.approx([x.double().var().item()] * 3, rel=1e-12)


@pytest.mark.parametrize("name", ["range_min_max", "range_quantile"])
def test_equal_infinities_have_no_range(name: str) -> None:
    statistic = STAT_NAME_TO_CLS[name](dims=[0])
    statistic.update_a_sample(torch.tensor([[float("inf"), 1.0], [float("inf"), 3.0]]))
    ranges = torch.as_tensor(statistic.compute()["range"])
    assert ranges[0] == 0.0 and ranges[1] > 0.0
