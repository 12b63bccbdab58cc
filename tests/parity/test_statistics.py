"""Statistics against recorded exports of MASE, and against NumPy where MASE raised or depends on the cut."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch

from chop.passes.graph.analysis.statistical_profiler.stat import STAT_NAME_TO_CLS
from chop.tools.errors import ConfigError
from tests.parity.test_profile import variance_of_batches
from tests.passes.statistics_oracle import FIELDS, rows_of, statistic


@pytest.fixture(scope="module")
def recorded(shared_dir):
    folder = shared_dir / "reference"
    cases = json.loads((folder / "statistics.json").read_text())["cases"]
    with np.load(folder / "statistics.npz") as arrays:
        names = sorted(arrays.files, key=lambda key: (key.rpartition(".")[0], int(key.rpartition(".")[2])))
        batches = {}
        for key in names:
            batches.setdefault(key.rpartition(".")[0], []).append(arrays[key])
    return cases, batches


def ours(case, batches):
    stat = STAT_NAME_TO_CLS[case["stat"]](**case["kwargs"])
    for batch in batches:
        stat.update_a_sample(torch.from_numpy(batch))
    return stat.export()


def shapes_differ(case, batches):
    if case["stat"] == "record":
        return case["kwargs"].get("add_new_dim_before_concat") and len({b.shape for b in batches}) > 1
    try:
        rows_of(batches, case["kwargs"].get("dims", "all"))
    except ValueError:
        return True
    return False


def test_every_recorded_case(recorded):
    cases, batches = recorded
    seen = Counter()
    for case in cases:
        data = batches[case["batches"]]
        where = f"{case['batches']} {case['stat']} {case['kwargs']}"
        if shapes_differ(case, data):
            assert "error" in case, where
            with pytest.raises(ConfigError, match=r"every sample must leave|must agree"):
                ours(case, data)
            seen["refused"] += 1
            continue
        (name, found), *rest = ours(case, data).items()
        assert (name, rest) == (case["stat"], [])
        if case["stat"] == "record":
            compare_record(found, case["export"]["record"], where)
            seen["record"] += 1
            continue
        compare_with_numpy(found, case, data, where)
        if "export" in case:
            compare_with_mase(found, case, data, where)
        seen["error" if "error" in case else "export"] += 1
    assert min(seen[kind] for kind in ("refused", "record", "error", "export")) >= 5
    assert sum(seen.values()) == len(cases)


def compare_record(found, expected, where):
    assert list(found) == ["data", "count", "size_in_bytes"], where
    assert {**found, "data": None} == {**expected, "data": None}, where
    np.testing.assert_array_equal(np.array(found["data"]), np.array(expected["data"]), where)
    np.testing.assert_array_equal(np.signbit(found["data"]), np.signbit(expected["data"]), where)


def compare_with_numpy(found, case, data, where):
    kwargs = case["kwargs"]
    rows = rows_of(data, kwargs.get("dims", "all"))
    for field, value in statistic(case["stat"], rows, **kwargs).items():
        if found[field] == "NA":
            assert len(rows) < 2, where
        else:
            assert np.shape(found[field]) == value.shape, where
            scale = np.abs(rows).max() ** (2 if field == "variance" else 1)
            np.testing.assert_allclose(found[field], value, rtol=1e-12, atol=1e-14 * scale, err_msg=where)
    if "count" in found:
        assert found["count"] == len(rows), where


def compare_with_mase(found, case, data, where):
    expected = case["export"][case["stat"]]
    dims = case["kwargs"].get("dims", "all")
    assert list(found) == list(expected), where
    assert found.get("count") == expected.get("count"), where
    biased = case["stat"] == "variance_online" and (len(data) > 1 or dims != "all")
    rows = rows_of(data, dims)
    for field in FIELDS[case["stat"]]:
        if field == "variance" and biased and expected[field] != "NA":
            # MASE divides otherwise; its data say the same when ours is divided likewise.
            compare(ours_divided_as_mase(data, dims), expected[field], np.abs(rows).max() ** 2, where)
        elif isinstance(expected[field], list) and np.shape(found[field]) != np.shape(expected[field]):
            assert (case["batches"], case["stat"], dims) == ("scalar1", "range_min_max", [0]), where
            assert found[field] == expected[field][0], where
        else:
            compare(found[field], expected[field], np.abs(rows).max(), where)


def ours_divided_as_mase(data, dims):
    """MASE's variance_online from the same data."""
    if dims != "all":
        return statistic("variance_precise", rows_of(data, dims), ddof=0)["variance"]
    return variance_of_batches([np.asarray(batch, np.float64) for batch in data])


def compare(found, expected, scale, where):
    if isinstance(found, str) or isinstance(expected, str):
        assert found == expected, where
        return
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * scale, err_msg=where)


def test_the_recorded_online_variance_is_ours_after_one_batch(recorded):
    _, batches = recorded
    stat = STAT_NAME_TO_CLS["variance_online"]()
    stat.update_a_sample(torch.from_numpy(batches["one1d"][0]))
    assert stat.export()["variance_online"]["variance"] == pytest.approx(0.4648316502571106, rel=1e-6)
