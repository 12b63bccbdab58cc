"""What a statistic takes, returns and refuses."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
import torch

from chop import _core
from chop.passes.graph.analysis.statistical_profiler import (
    STAT_NAME_TO_CLS,
    StatBase,
    create_new_stat,
)
from chop.passes.graph.analysis.statistical_profiler.stat import RangeQuantile, VarianceOnline
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError


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
