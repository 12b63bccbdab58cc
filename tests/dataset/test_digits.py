"""The data set ``digits``: real images on an exact grid, and what it refuses; image sizes of users' data sets."""

import importlib.util

import numpy as np
import pytest

from chop.dataset import DATASETS, MaseDataModule, get_dataset_info, register_dataset
from chop.dataset.info import DataRequest
from chop.tools.errors import ConfigError


def test_images_are_scikit_learns_on_a_grid_of_sixteenths():
    from sklearn.datasets import load_digits

    data = MaseDataModule("digits", 64, split="all")
    x, y = data.arrays("train")
    bunch = load_digits()
    assert x.shape == (1797, 1, 8, 8)
    assert np.array_equal(x.numpy()[:, 0] * 16, bunch.images)
    assert np.array_equal(y.numpy(), bunch.target)
    assert data.class_order == tuple("0123456789")


def test_facts_and_parts():
    info = get_dataset_info("digits")
    assert (info.num_classes, info.num_features, info.image_size) == (10, 64, (1, 8, 8))
    assert info.image_classification and not info.physical_data_point_classification and not info.synthetic
    data = MaseDataModule("digits", 64)
    assert "rows: train 1078, val 359, test 360" in data.describe()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("data_file", "x.npz", "reads no file"),
        ("class_order", "9876543210", "label k of 'digits' is the digit k"),
        ("scaler", (np.zeros(64), np.ones(64)), "in 0..1 already"),
    ],
)
def test_what_it_has_not_is_refused(field, value, words):
    with pytest.raises(ConfigError, match=words):
        DATASETS["digits"].load(DataRequest(**{field: value}))


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install scikit-learn$"):
        MaseDataModule("digits", 64).prepare_data()


def test_a_users_images_say_their_size():
    @register_dataset("own-images", num_features=12, num_classes=2, image_size=(3, 2, 2))
    def own(request):
        shape = (10, 3, 2, 2) if request.split == "all" else (10, 12)
        return np.zeros(shape, np.float32), np.arange(10) % 2

    try:
        assert MaseDataModule("own-images", 4, split="all").arrays("val")[0].shape == (10, 3, 2, 2)
        assert get_dataset_info("own-images").image_size == (3, 2, 2)
        with pytest.raises(ConfigError, match=r"images of \[3, 2, 2\], the function gave rows of \[12\]"):
            MaseDataModule("own-images", 4).setup()
    finally:
        del DATASETS["own-images"]
    with pytest.raises(ConfigError, match=r"images of \[3, 2, 2\] have 12 values, num_features says 3"):
        register_dataset("own-images", num_features=3, num_classes=2, image_size=(3, 2, 2))


def test_a_file_of_images_says_their_size(tmp_path):
    np.savez(tmp_path / "images.npz", x=np.zeros((20, 2, 3, 4), np.float32), y=np.arange(20) % 3)
    info = get_dataset_info(str(tmp_path / "images.npz"))
    assert (info.num_features, info.image_size, info.num_classes) == (24, (2, 3, 4), 3)
    np.savez(tmp_path / "rows.npz", x=np.zeros((20, 5), np.float32), y=np.arange(20) % 3)
    info = get_dataset_info(str(tmp_path / "rows.npz"))
    assert (info.num_features, info.image_size) == (5, None)
