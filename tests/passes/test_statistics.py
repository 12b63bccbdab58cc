"""Statistics against NumPy in float64, on streams that break naive formulas."""

from __future__ import annotations

import copy
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chop import _core
from chop.passes.graph.analysis.statistical_profiler import (
    STAT_NAME_TO_CLS,
    StatBase,
    create_new_stat,
)
from chop.passes.graph.analysis.statistical_profiler.stat import RangeQuantile, VarianceOnline
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
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


@pytest.mark.parametrize(
    ("sample", "expected"),
    [(3.0, [3.0]), (3, [3.0]), ([1.0, 2.0], [1.0, 2.0]), ([[1, 2], [3, 4]], [1, 2, 3, 4]), (True, [1.0])],
)
def test_numbers_and_lists(sample, expected):
    stat = create_new_stat("moments")
    stat.update_a_sample(sample)
    assert stat.compute()["mean"] == pytest.approx(np.mean(expected))
    assert stat.compute()["count"] == len(expected)


def test_lists_of_tensors_and_all_kinds_of_tensors():
    stat = create_new_stat("range_min_max", dims=None)
    stat.update_a_sample([torch.tensor(1.0), torch.tensor(5.0)])
    stat.update_a_sample([3.0, 4.0])
    assert stat.export() == {
        "range_min_max": {"min": [1.0, 4.0], "max": [3.0, 5.0], "range": [2.0, 1.0], "count": 2}
    }
    x = torch.arange(12).reshape(3, 4)
    for dtype in (torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.int64, torch.float64):
        stat = create_new_stat("moments", dims=[-1])
        stat.update_a_sample(x.to(dtype).t().requires_grad_(dtype.is_floating_point))
        assert stat.compute()["mean"].tolist() == [4.0, 5.0, 6.0, 7.0]
    big = create_new_stat("range_min_max")
    big.update_a_sample(torch.tensor([2**53 - 1, 2**40 + 1]))
    assert big.compute()["max"].item() == 2**53 - 1
    conjugate = torch.tensor([1 + 2j, 3 - 4j]).conj().imag  # a view with the negative bit
    stat = create_new_stat("moments")
    stat.update_a_sample(conjugate)
    assert stat.compute()["min"].item() == -2.0


def test_record_keeps_shape_dtype_and_order():
    record = create_new_stat("record")
    record.update_a_sample(torch.tensor([[1, 2]]))
    record.update_a_sample(torch.tensor([[3, 4], [5, 6]]))
    assert record.export() == {"record": {"data": [[1, 2], [3, 4], [5, 6]], "count": 2, "size_in_bytes": 48}}
    other = create_new_stat("record")
    other.update_a_sample(torch.tensor([[float("nan"), 7.5]]))
    record.merge(other)
    found = record.compute()
    assert found["count"] == 3 and found["nan_count"] == 1 and found["data"].dtype == torch.float32
    stacked = create_new_stat("record", add_new_dim_before_concat=True)
    for value in (1.0, 2.0):
        stacked.update_a_sample(torch.full((3,), value))
    assert stacked.compute()["data"].shape == (2, 3)
    with pytest.raises(ConfigError, match="must agree in all but the first dimension"):
        stacked.update_a_sample(torch.zeros(4))


def test_a_batch_is_one_sample_for_each_row():
    batch = torch.randn(6, 3, 4)
    for name in sorted(_core.statistics()):
        for dims in ("all", None, [0], [1], [1, 2], [0, -1]):
            kwargs = {} if name == "record" else {"dims": dims}
            rows, whole = create_new_stat(name, **kwargs), create_new_stat(name, **kwargs)
            StatBase.update_a_batch(rows, batch)
            whole.update_a_batch(batch)
            for field, value in rows.compute().items():
                found = whole.compute()[field]
                assert np.shape(found) == np.shape(value), (name, dims)
                np.testing.assert_allclose(found, value, rtol=1e-12)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: create_new_stat("range_quantil"), "did you mean 'range_quantile'.*known: abs_mean"),
        (lambda: RangeQuantile(quantil=0.5), "argument 'quantil' is not known .did you mean 'quantile'"),
        (lambda: RangeQuantile(quantile=1.5), "quantile must be 0..1, got 1.5"),
        (lambda: RangeQuantile(quantile="much"), "quantile must be a number"),
        (lambda: RangeQuantile(abs="yes"), "abs must be true or false"),
        (lambda: RangeQuantile(quantile=[0.5]), "range_quantile: "),
        (lambda: VarianceOnline(dims="some"), "dims must be 'all', None or a list of dimensions, got 'some'"),
        (lambda: VarianceOnline(dims=[]), "dims must be"),
        (lambda: VarianceOnline(dims=[True]), "dims must be"),
        (lambda: VarianceOnline(device="gpu"), "variance_online: "),
        (lambda: VarianceOnline(ddof=-1), "ddof must be at least 0, got -1"),
        (lambda: create_new_stat("range_n_sigma", var_mode="exact"), "var_mode must be online or precise"),
        (lambda: create_new_stat("range_n_sigma", num_sigma=-1), "num_sigma must be at least 0"),
        (lambda: create_new_stat("histogram", bins=1), "bins must be 2..1048576, got 1"),
        (lambda: VarianceOnline().compute(), "no sample was given yet"),
        (lambda: VarianceOnline().update_a_sample(torch.zeros(0, 3)), "empty sample .* got shape .0, 3."),
        (lambda: VarianceOnline().update_a_sample([]), "empty sample"),
        (lambda: VarianceOnline().update_a_sample("text"), "a sample must be a tensor, a number or a list"),
        (lambda: VarianceOnline().update_a_sample(torch.zeros(2, dtype=torch.complex64)), "real numbers"),
        (lambda: VarianceOnline().update_a_sample(torch.zeros(2, device="meta")), "meta device"),
        (lambda: VarianceOnline(dims=[2]).update_a_sample(torch.zeros(2, 2)), "dims .2. do not suit"),
        (lambda: VarianceOnline(dims=[0, -2]).update_a_sample(torch.zeros(2, 2)), "do not suit"),
        (lambda: VarianceOnline().merge(RangeQuantile()), "can only be merged with"),
        (lambda: VarianceOnline().merge(VarianceOnline(dims=None)), "same dims"),
        (lambda: VarianceOnline().merge(VarianceOnline(ddof=0)), "same name and arguments"),
    ],
)
def test_refusals(action, message):
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        action()


@pytest.mark.parametrize("dims", [None, [0]])
def test_other_shapes_are_refused(dims):
    stat = VarianceOnline(dims=dims)
    stat.update_a_sample(torch.zeros(4, 3))
    with pytest.raises(ConfigError, match=r"every sample must leave the shape \[.*3\], got \[.*2\]"):
        stat.update_a_sample(torch.zeros(4, 2))
    stat.update_a_sample(torch.ones(4, 3))  # the refused sample left no trace
    assert stat.compute()["count"] == (2 if dims is None else 8)
    with pytest.raises(ConfigError, match="cannot be merged with itself"):
        stat.merge(stat)


def test_a_statistic_of_ones_own_looks_the_same():
    @STAT_NAME_TO_CLS.register("peak")
    class Peak(StatBase):
        def __init__(self, factor=1.0):
            self.factor, self.peak = factor, 0.0

        def update_a_sample(self, sample):
            self.peak = max(self.peak, self.factor * float(torch.as_tensor(sample).abs().max()))

        def compute(self):
            return {"peak": torch.tensor(self.peak)}

    try:
        stat = create_new_stat("peak", factor=2.0)
        stat.update_a_sample([1.0, -3.0])
        assert stat.export() == {"peak": {"peak": 6.0}}
        with pytest.raises(ValueError, match="already registered"):
            STAT_NAME_TO_CLS["peak"] = Peak
    finally:
        del STAT_NAME_TO_CLS["peak"]
    assert set(STAT_NAME_TO_CLS) == set(_core.statistics())


def test_positional_arguments_and_signature():
    import inspect

    assert str(inspect.signature(RangeQuantile)) == "(device=None, dims='all', abs=False, quantile=0.975)"
    stat = RangeQuantile("cpu", [0], True, 1)
    stat.update_a_sample(torch.tensor([[-2.0], [1.0]]))
    assert stat.export()["range_quantile"]["max"] == [2.0]
    with pytest.raises(TypeError, match="takes each of"):
        RangeQuantile("cpu", device="cpu")
    kwargs = {"dims": [0]}
    before = copy.deepcopy(kwargs)
    create_new_stat("moments", **kwargs)
    assert kwargs == before
