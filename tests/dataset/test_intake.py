"""Rows and labels at the door of every data set: finite in float32, and classes that the rows can hold."""

import numpy as np
import pandas as pd
import pytest
import torch

from chop.dataset import DATASETS, MaseDataModule, get_dataset_info, register_dataset
from chop.dataset.info import DatasetSpec, LoadedData, MaseDatasetInfo
from chop.dataset.intake import check_arrays
from chop.dataset.physical.jsc_columns import FEATURES
from chop.tools.errors import ConfigError

X = np.random.default_rng(0).standard_normal((60, 4))
Y = np.arange(60) % 3


@pytest.mark.parametrize("number", [1e300, -1e300, 3.5e38, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("source", ["npz", "scaled", "registered", "tensor", "splits", "spec", "transform"])
def test_every_source_asks_for_finite_float32(source, number, tmp_path):
    x = X.copy()
    x[7, 2] = number
    name = "odd-rows"
    if source in ("npz", "scaled"):
        name = str(tmp_path / "a.npz")
        np.savez(name, x=x, y=Y)
        np.savez(tmp_path / "s.npz", mean=np.zeros(4), scale=np.ones(4))
    elif source == "spec":
        loaded = LoadedData(dict.fromkeys(("train", "val", "test"), (x, Y)), {"train": 60}, "here")
        DATASETS[name] = DatasetSpec(MaseDatasetInfo(name, 3, 4), lambda request: loaded)
    else:
        made = {"tensor": (torch.from_numpy(x), torch.from_numpy(Y)), "transform": (X, Y)}.get(source, (x, Y))
        made = dict.fromkeys(("train", "val", "test"), made) if source == "splits" else made
        transform = (lambda rows: rows.double() * number) if source == "transform" else None
        register_dataset(name, num_features=4, num_classes=3, transform=transform)(lambda request: made)
    try:
        with pytest.raises(ConfigError, match="not finite"):
            options = {"scaler": tmp_path / "s.npz"} if source == "scaled" else {}
            MaseDataModule(name, 8, split="all", **options).arrays("train")
    finally:
        DATASETS.pop(name, None)


def test_what_a_scaler_makes_has_to_be_finite(tmp_path):
    np.savez(tmp_path / "a.npz", x=X * 1e30, y=Y)
    np.savez(tmp_path / "s.npz", mean=np.zeros(4), scale=np.full(4, 1e-300))
    with pytest.raises(ConfigError, match="standardised"):
        MaseDataModule(str(tmp_path / "a.npz"), 8, scaler=tmp_path / "s.npz").setup()
    for content in ({"mean": np.array(["a"] * 4)}, {"mean": np.zeros(4, complex)}):
        np.savez(tmp_path / "s.npz", **{"scale": np.ones(4), **content})
        with pytest.raises(ConfigError, match="mean must be numbers"):
            MaseDataModule(str(tmp_path / "a.npz"), 8, scaler=tmp_path / "s.npz").setup()


def test_a_jet_beyond_float32_is_named(tmp_path):
    frame = pd.DataFrame(np.ones((20, 16)), columns=list(FEATURES)).assign(**{"class": list("gqtwz") * 4})
    frame.loc[11, "mass_mmdt"] = -1e39
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ConfigError, match=r"column mass_mmdt .* float32, row 11 has -1e\+39"):
        MaseDataModule("jsc", 8, data_file=tmp_path / "a.csv").setup()


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", ">f4", ">f8", "g", "i1", "i8", ">i2", "u1", "u2", "u4", "u8", "?"]
)
@pytest.mark.parametrize("layout", ["plain", "strided", "reversed", "readonly", "fortran"])
def test_rows_of_any_kind_of_number(dtype, layout):
    x = (np.arange(12).reshape(4, 3) % 7 * 0.5).astype(dtype)
    expected = x.astype(np.float32)
    if layout == "strided":
        x = np.repeat(x, 2, axis=1)[:, ::2]
    elif layout == "reversed":
        x = x[::-1, ::-1].copy()[::-1, ::-1]
    elif layout == "fortran":
        x = np.asfortranarray(x)
    x.flags.writeable = layout != "readonly"
    found, labels = check_arrays(x, np.array([0, 1, 0, 1]).astype(dtype), "here")
    assert found.dtype == np.float32 and found.flags.c_contiguous and labels.classes == 2
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, -1], r"y\[2\] is -1"),
        ([0, 1, 2**40], r"from 0 to 255 .* y\[2\] is 1099511627776"),
        ([0, 1, 10**8], "from 0 to 255"),
        ([0, 1, 256], "from 0 to 255"),
        (np.array([0, 1, 2**63], np.uint64), "9223372036854775808"),
        (np.array([0, 1, -128], np.int8), "-128"),
        ([0.0, 1.0, np.nan], r"y\[2\] is nan"),
        ([0.0, 1.0, np.inf], "inf"),
        ([0.0, 1.0, 1e300], r"1e\+300"),
        ([0.0, 1.5, 1.0], r"y\[1\] is 1.5"),
        ([0.0, 1.0 - 1e-9, 1.0], "whole numbers"),
        ([0, 1], "3 labels"),
        ([0, 1, 1j], "3 labels, got complex128"),
        (["0", "1", "2"], "3 labels"),
        ([None, 1, 2], "3 labels, got object"),
        (np.array(["2020-01-01"] * 3, "M8[D]"), "3 labels"),
        (np.zeros((3, 2, 1)), "3 labels"),
        (np.zeros((3, 0)), "3 labels"),
        ([[1, 0], [0, 1], [0, 0]], "one-hot, row 2 is not"),
        ([[1, 0], [1, 1], [0, 1]], "one-hot, row 1 is not"),
        ([[1, 0], [0.5, 0.5], [0, 1]], "one-hot, row 1 is not"),
        ([[1, 0], [2, -1], [0, 1]], "one-hot, row 1 is not"),
        ([[1, 0], [np.nan, 1], [0, 1]], "one-hot, row 1 is not"),
        (np.ma.masked_array([0, 1, 2], [0, 0, 1]), "masked"),
        (np.eye(3, 70_000), "at most 65536"),
        ([[0], [1, 2], [3]], "must be an array"),
    ],
)
def test_labels_that_are_none(y, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check_arrays(np.zeros((3, 2)), y, "here")
    assert str(caught.value).startswith("here: ") and "\n" not in str(caught.value)


def test_classes_are_bounded_by_rows_and_by_a_limit():
    rows = np.zeros((70_000, 1), np.float32)
    many = np.arange(70_000)
    assert check_arrays(rows[:1000], many[:1000], "here")[1].classes == 1000
    with pytest.raises(ConfigError, match=r"from 0 to 999 \(1000 rows hold no more classes\)"):
        check_arrays(rows[:1000], many[1:1001], "here")
    with pytest.raises(ConfigError, match="from 0 to 65535"):
        check_arrays(rows, many, "here")
    with pytest.raises(ConfigError, match=r"from 0 to 2 \(3 classes\), but y\[1\] is 3"):
        check_arrays(rows[:2], [0, 3], "here", classes=3)
    with pytest.raises(ConfigError, match=r"from 0 to 2 \(3 classes\), but y\[1\] is 3"):
        check_arrays(rows[:2], np.eye(5)[[0, 3]], "here", classes=3)


def test_one_hot_labels_tell_the_number_of_classes(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=np.eye(5)[Y])
    assert get_dataset_info(str(tmp_path / "a.npz")).num_classes == 5


def test_labels_of_a_registered_data_set_are_below_its_classes():
    register_dataset("two-of-three", num_features=4, num_classes=2)(lambda request: (X, Y))
    try:
        with pytest.raises(ConfigError, match=r"two-of-three.*from 0 to 1 \(2 classes\), but y\[2\] is 2"):
            MaseDataModule("two-of-three", 8).setup()
    finally:
        del DATASETS["two-of-three"]
