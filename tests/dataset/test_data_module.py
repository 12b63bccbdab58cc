"""MaseDataModule: MASE's methods, npz files, users' data sets, transforms, bad input."""

import numpy as np
import pytest
import torch

from chop.dataset import DATASETS, MaseDataModule, get_dataset, get_dataset_info, register_dataset
from chop.dataset.splits import SPLIT_SCHEMES, split_rows, train_test_rows
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from chop.tools.get_input import InputGenerator, get_cf_args, get_dummy_input
from tests import programs


@pytest.fixture
def arrays():
    random = np.random.RandomState(0)
    return random.standard_normal((40, 3)), random.randint(0, 4, 40)


@pytest.fixture
def npz(arrays, tmp_path):
    np.savez(tmp_path / "mine.npz", x=arrays[0], y=arrays[1])
    return tmp_path / "mine.npz"


def test_split_is_that_of_scikit_learn():
    # train_test_split(range(5), test_size=0.33, random_state=42) in scikit-learn's own documentation gives
    # [2, 0, 3] and [1, 4]: two rows of five are tested either way.
    train, test = train_test_rows(10)
    assert (train.tolist(), test.tolist()) == ([5, 0, 7, 2, 9, 4, 3, 6], [8, 1])
    assert np.random.RandomState(42).permutation(5).tolist() == [1, 4, 2, 0, 3]
    assert [len(rows) for rows in train_test_rows(986_806)] == [789_444, 197_362]
    assert [len(rows) for rows in train_test_rows(830_000)] == [664_000, 166_000]


def test_split_schemes():
    three = split_rows(100, "three-way")
    assert [len(three[s]) for s in ("train", "val", "test")] == [60, 20, 20]
    assert sorted(np.concatenate(list(three.values()))) == list(range(100))
    mase = split_rows(100, "mase")
    assert np.array_equal(mase["train"], mase["val"]) and np.array_equal(mase["test"], three["test"])
    assert all(rows.tolist() == list(range(3)) for rows in split_rows(3, "all").values())
    with pytest.raises(ConfigError, match=r"did you mean 'three-way'"):
        split_rows(100, "threeway")


def test_loaders_have_mases_methods(npz, arrays):
    data = MaseDataModule(
        name=str(npz), batch_size=16, num_workers=2, max_token_len=None, model_name="jsc-tiny"
    )
    data.prepare_data()
    data.setup()
    batches = list(data.train_dataloader())
    assert [len(y) for _, y in batches] == [16, 8]
    x, y = data.arrays("train")
    assert not torch.equal(batches[0][0], x[:16])  # shuffled
    seen = torch.cat([b for b, _ in batches])
    assert torch.equal(seen.sort(dim=0).values, x.sort(dim=0).values)
    for split in ("val", "test", "pred"):
        loader = getattr(data, f"{split}_dataloader")()
        assert torch.equal(torch.cat([b for b, _ in loader]), data.arrays(split)[0])
    row, label = data.train_dataset[3]
    assert torch.equal(row, x[3]) and label == y[3]
    assert (data.dataset_info.num_features, data.dataset_info.num_classes) == (3, 4)


def test_npz_by_data_file_and_by_name(npz):
    by_file = MaseDataModule("npz", 8, data_file=npz, split="all")
    by_name = MaseDataModule(str(npz), 8, split="all")
    assert torch.equal(by_file.arrays("train")[0], by_name.arrays("train")[0])
    assert get_dataset_info(str(npz)).num_classes == get_dataset_info("npz", data_file=npz).num_classes == 4
    assert len(get_dataset(str(npz), "test")) == 8
    assert "40 rows of mine.npz" in by_file.describe()


def test_a_part_and_the_way_rows_are_parted_are_two_arguments(npz):
    sizes = {
        s: [len(get_dataset(str(npz), part, split=s)) for part in ("train", "val")] for s in SPLIT_SCHEMES
    }
    assert sizes == {"three-way": [24, 8], "mase": [32, 32], "all": [40, 40]}
    assert len(get_dataset(str(npz), split="mase")) == 32  # the training part
    assert (
        len(get_dataset(str(npz), split="val")) == len(get_dataset(str(npz), "val")) == 8
    )  # as MASE calls it
    with pytest.raises(ConfigError, match=r"the part of the data must be one of train, .*got 'mase'"):
        get_dataset(str(npz), "mase", split="mase")
    with pytest.raises(ConfigError, match=r"^split must be one of three-way, mase, all, got 'masse'"):
        get_dataset(str(npz), "val", split="masse")
    with pytest.raises(
        ConfigError, match=r"split must be a part .*train.* or a way .*mase.*did you mean 'train'"
    ):
        get_dataset(str(npz), split="trian")


def test_npz_with_one_hot_labels_and_a_scaler(npz, arrays, tmp_path):
    np.savez(tmp_path / "hot.npz", x=arrays[0], y=np.eye(4)[arrays[1]])
    np.savez(tmp_path / "s.npz", mean=np.ones(3), scale=np.full(3, 2.0))
    data = MaseDataModule(str(tmp_path / "hot.npz"), 8, split="all", scaler=tmp_path / "s.npz")
    x, y = data.arrays("train")
    np.testing.assert_array_equal(y, arrays[1])
    np.testing.assert_allclose(x, (arrays[0] - 1) / 2, rtol=1e-6, atol=1e-7)


def test_transform_feeds_rows_to_convolutions(npz):
    data = MaseDataModule(str(npz), 8, transform=lambda x: x.unsqueeze(1))
    assert data.arrays("train")[0].shape == (24, 1, 3)
    assert next(iter(data.train_dataloader()))[0].shape == (8, 1, 3)
    with pytest.raises(ConfigError, match="the transform made 12 rows of 24"):
        MaseDataModule(str(npz), 8, transform=lambda x: x[::2]).arrays("train")


def test_users_register_data_sets(arrays):
    @register_dataset("mine", num_features=3, num_classes=4, transform=lambda x: x * 2)
    def mine(request):
        return {"train": arrays, "val": arrays, "test": (arrays[0][:5], arrays[1][:5])}

    try:
        data = MaseDataModule("mine", 8)
        np.testing.assert_allclose(data.arrays("test")[0], arrays[0][:5] * 2, rtol=1e-6)
        assert get_dataset_info("mine").num_features == 3
        assert "train 40, val 40, test 5" in data.describe()
    finally:
        del DATASETS["mine"]


def test_input_generator(npz):
    data = MaseDataModule(str(npz), 8)
    generator = InputGenerator(model_info=None, data_module=data, task="cls", which_dataloader="val")
    first = next(generator)
    assert list(first) == ["x"] and torch.equal(first["x"], data.arrays("val")[0])
    assert [len(batch["x"]) for batch in generator] == [8]
    limited = InputGenerator(data_module=data, which_dataloader="train", max_batches=2)
    assert len(list(limited)) == 2
    with pytest.raises(StopIteration):
        for _ in range(3):
            next(limited)
    assert get_dummy_input(None, data, "cls")["x"].shape == (8, 3)
    assert get_cf_args(None, "cls", None) == {}
    with pytest.raises(ConfigError, match=r"did you mean 'train'"):
        InputGenerator(data_module=data, which_dataloader="trainn")


@pytest.mark.parametrize("size", [0, -1, "big", 2.5, True, None])
def test_batch_size_must_be_a_positive_integer(size):
    with pytest.raises(ConfigError, match="batch_size must be an integer of at least 1"):
        MaseDataModule("jsc-synth", size)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match=r"dataset 'jsc-syth' is not known .did you mean 'jsc-synth'"):
        MaseDataModule("jsc-syth", 8)
    with pytest.raises(ValueError, match="not known"):
        get_dataset_info("cifar10")
    with pytest.raises(ConfigError, match="the part of the data must be one of train, val, test, pred"):
        MaseDataModule("jsc-synth", 8).arrays("tests")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": np.zeros((9, 2))}, "no array 'y'"),
        ({"x": np.zeros((9, 2)), "y": np.zeros(8, int)}, "y must be 9 labels"),
        ({"x": np.zeros(9), "y": np.zeros(9, int)}, "x must be numbers of shape"),
        ({"x": np.full((9, 2), np.inf), "y": np.zeros(9, int)}, "not finite"),
        ({"x": np.zeros((9, 2)), "y": np.full(9, 0.5)}, "whole numbers"),
        ({"x": np.zeros((9, 2)), "y": np.full(9, -1)}, "whole numbers from 0"),
        ({"x": np.zeros((9, 2)), "y": np.ones((9, 3))}, "must be one-hot"),
        ({"x": np.zeros((9, 2)), "y": np.array(["a"] * 9)}, "labels"),
        ({"x": np.array([[None]] * 9), "y": np.zeros(9, int)}, "Python objects, which are refused"),
    ],
)
def test_bad_npz_files(content, message, tmp_path):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(ConfigError) as caught:
        MaseDataModule(str(tmp_path / "a.npz"), 8).setup()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_truncated_altered_and_lying_npz_files(npz, tmp_path):
    whole = npz.read_bytes()
    for length in range(0, len(whole), 64):
        (tmp_path / "b.npz").write_bytes(whole[:length])
        with pytest.raises(ConfigError):
            MaseDataModule(str(tmp_path / "b.npz"), 8).setup()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 4  # inside the values of x
    (tmp_path / "b.npz").write_bytes(flipped)
    with pytest.raises(ConfigError, match="not a readable"):
        MaseDataModule(str(tmp_path / "b.npz"), 8).setup()
    import zipfile

    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 16), }"
    member = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", member)
    with pytest.raises(ConfigError, match="declares shape"):
        MaseDataModule(str(tmp_path / "c.npz"), 8).setup()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"mean": np.zeros(3)}, "no array 'scale'"),
        ({"mean": np.zeros(3), "scale": np.zeros(3)}, "scales above 0"),
        ({"mean": np.zeros(3), "scale": np.ones(4)}, "one length"),
        ({"mean": np.zeros(5), "scale": np.ones(5)}, "it has 5 features, the data have [3]"),
    ],
)
def test_bad_scalers(content, message, npz, tmp_path):
    np.savez(tmp_path / "s.npz", **content)
    with pytest.raises(ConfigError) as caught:
        MaseDataModule(str(npz), 8, scaler=tmp_path / "s.npz").setup()
    assert message in str(caught.value)


def test_it_is_a_lightning_module_where_lightning_is_imported_first():
    pytest.importorskip("lightning")
    code = (
        "import sys; from chop.dataset import MaseDataModule\n"
        "plain = MaseDataModule('jsc-synth', 8); assert 'lightning' not in sys.modules\n"
        "import lightning; data = MaseDataModule('jsc-synth', 8)\n"
        "assert isinstance(data, lightning.LightningDataModule) and isinstance(data, MaseDataModule)\n"
        "assert not isinstance(plain, lightning.LightningDataModule)\n"
    )
    programs.output(code)
