"""The SHA-256 of a data file: given, beside the file, or published."""

import hashlib

import numpy as np
import pytest

from chop.dataset import DATASETS, MaseDataModule, get_dataset, get_dataset_info
from chop.dataset.digests import check_digest, parse_digest
from chop.dataset.info import DataRequest, DatasetSpec, LoadedData, MaseDatasetInfo
from chop.tools.errors import ConfigError


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.eye(20), y=np.arange(20) % 2)
    return tmp_path / "d.npz"


def sum_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_given_sum(npz):
    right = sum_of(npz)
    assert len(get_dataset(str(npz), "train", data_sha256=right.upper())) == 12
    assert get_dataset_info(str(npz), data_sha256=right).num_classes == 2
    wrong = "0" * 64
    for call in (
        lambda: get_dataset(str(npz), data_sha256=wrong),
        lambda: get_dataset_info(str(npz), data_sha256=wrong),
        lambda: get_dataset("npz", data_file=npz, data_sha256=wrong),
        lambda: MaseDataModule(str(npz), 8, data_sha256=wrong).setup(),
        lambda: MaseDataModule(str(npz), 8, data_sha256=wrong).prepare_data(),
        lambda: MaseDataModule(str(npz), 8, data_sha256=wrong).dataset_info,
    ):
        with pytest.raises(ConfigError) as caught:
            call()
        assert "d.npz" in str(caught.value) and right in str(caught.value) and wrong in str(caught.value)


@pytest.mark.parametrize("text", ["", "abc", "0" * 63, "g" * 64, 5, "0" * 65])
def test_what_is_no_sum(text, npz):
    with pytest.raises(ConfigError, match="data_sha256 must be 64 hexadecimal digits"):
        MaseDataModule(str(npz), 8, data_sha256=text)


@pytest.mark.parametrize(
    "form",
    [
        "{sum}\n",
        "{sum}",
        "{SUM}  d.npz\r\n",
        "{sum} *d.npz\n",
        "{sum}  ./folder/d.npz\n",
        "SHA256 (d.npz) = {sum}\n",
        "{other}  e.npz\n{sum}  d.npz\n",
        "\n{sum}  renamed.npz\n",
    ],
)
def test_a_sum_beside_the_file(form, npz):
    beside = npz.with_name("d.npz.sha256")
    beside.write_text(form.format(sum=sum_of(npz), SUM=sum_of(npz).upper(), other="1" * 64))
    assert check_digest(npz) and len(get_dataset(str(npz))) == 12
    beside.write_text(form.format(sum="2" * 64, SUM="2" * 64, other=sum_of(npz)))
    with pytest.raises(ConfigError, match=r"d.npz is altered, cut or another file.*d.npz.sha256 says 2222"):
        get_dataset(str(npz))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"none", b"\xff" * 64, b"1" * 63, b"1" * 64 + b" a\n" + b"2" * 64 + b" b\n"]
)
def test_a_file_beside_it_that_holds_no_sum(content, npz):
    npz.with_name("d.npz.sha256").write_bytes(content)
    with pytest.raises(ConfigError, match=r"d.npz.sha256 must hold one SHA-256 for d.npz"):
        get_dataset(str(npz))
    npz.with_name("d.npz.sha256").unlink()
    npz.with_name("d.npz.sha256").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        get_dataset(str(npz))


def test_a_sum_without_a_file_to_compare():
    with pytest.raises(ConfigError, match="this data set reads 0: leave it out"):
        get_dataset("jsc-synth", data_sha256="0" * 64)


def test_published_sums_and_a_loader_of_ones_own(npz):
    def load(request):
        return LoadedData(dict.fromkeys(("train", "val", "test"), (np.eye(4), np.zeros(4))), {}, "a file")

    info = MaseDatasetInfo("with-a-file", 2, 4)
    try:
        DATASETS["with-a-file"] = DatasetSpec(info, load, sha256={"d.npz": sum_of(npz)})
        get_dataset("with-a-file", data_file=npz)
        del DATASETS["with-a-file"]
        DATASETS["with-a-file"] = DatasetSpec(
            info, load, files=lambda request: (npz,), sha256={"d.npz": "0" * 64}
        )
        with pytest.raises(ConfigError, match="the published file says 0000"):
            get_dataset("with-a-file")
        del DATASETS["with-a-file"]
        DATASETS["with-a-file"] = DatasetSpec(info, load, files=lambda request: (npz, npz))
        with pytest.raises(ConfigError, match=r"reads 2: put NAME.sha256 beside each"):
            get_dataset("with-a-file", data_sha256="0" * 64)
    finally:
        DATASETS.pop("with-a-file", None)


def test_a_changed_file_is_read_again(npz):
    old = sum_of(npz)
    get_dataset(str(npz), data_sha256=old)
    np.savez(npz, x=np.eye(20) * 2, y=np.arange(20) % 2)
    with pytest.raises(ConfigError, match="altered"):
        get_dataset(str(npz), data_sha256=old)
    assert get_dataset(str(npz), data_sha256=sum_of(npz)).x.max() == 2


def test_sums_in_a_registry_are_checked_too(npz):
    assert parse_digest(" " + "aB" * 32 + "\n", "x") == "ab" * 32
    spec = DatasetSpec(MaseDatasetInfo("x", 2, 4), lambda request: None, sha256={"d.npz": "none"})
    with pytest.raises(ConfigError, match="of the registry must be 64"):
        spec.check_files(DataRequest(data_file=npz))
