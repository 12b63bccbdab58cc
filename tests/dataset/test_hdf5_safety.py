"""HDF5 files that point elsewhere or declare what they do not hold are refused before anything is read."""

import resource

import h5py
import numpy as np
import pytest

from chop.dataset.physical.jsc_hdf5 import read_hdf5
from chop.tools.errors import ConfigError

SECRET = b"secret" * 1000


@pytest.fixture
def rows(shared_dir):
    with h5py.File(shared_dir / "data" / "jsc-1000-cernbox-layout.h5") as file:
        return file["t_allpar_new"][:20]


def refused(path, message):
    with pytest.raises(ConfigError) as caught:
        read_hdf5(path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_external_storage(tmp_path, rows):
    (tmp_path / "secret.bin").write_bytes(SECRET)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        outside = [(str(tmp_path / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("t_allpar_new", shape=(20,), dtype=rows.dtype, external=outside)
    refused(tmp_path / "a.h5", "another file")


def test_links_out_of_the_file(tmp_path, rows):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["t_allpar_new"] = rows
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["t_allpar_new"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "t_allpar_new")
    refused(tmp_path / "a.h5", "link to elsewhere")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["t_allpar_new"] = h5py.SoftLink("/hidden")
        file["hidden"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "t_allpar_new")
    refused(tmp_path / "b.h5", "link to elsewhere")


def test_virtual_dataset(tmp_path, rows):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["t_allpar_new"] = rows
    layout = h5py.VirtualLayout(shape=(20,), dtype=rows.dtype)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "t_allpar_new", shape=(20,))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("t_allpar_new", layout)
    refused(tmp_path / "a.h5", "another file")


@pytest.mark.parametrize("chunks", [None, (1 << 16,)])
def test_declared_size_beyond_the_file(tmp_path, rows, chunks):
    count = (512 << 30) // rows.dtype.itemsize
    with h5py.File(tmp_path / "a.h5", "w") as file:
        options = {"chunks": chunks, "compression": "gzip"} if chunks else {}
        file.create_dataset("t_allpar_new", shape=(count,), dtype=rows.dtype, **options)
    assert (tmp_path / "a.h5").stat().st_size < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(tmp_path / "a.h5", "declares")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB


def test_compressed_tables_are_fine(tmp_path, rows):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("t_allpar_new", data=rows, compression="gzip")
    assert len(read_hdf5(tmp_path / "a.h5").labels) == 20


def test_truncated_files(tmp_path, shared_dir):
    whole = (shared_dir / "data" / "jsc-1000-cernbox-layout.h5").read_bytes()
    for length in range(0, len(whole), 64 * 16):
        (tmp_path / "a.h5").write_bytes(whole[:length])
        with pytest.raises(ConfigError):
            read_hdf5(tmp_path / "a.h5")


def test_foreign_files_and_wrong_contents(tmp_path, rows):
    (tmp_path / "a.h5").write_text("not hdf5")
    refused(tmp_path / "a.h5", "not a readable HDF5 file")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["jets"] = np.zeros(3)
    refused(tmp_path / "b.h5", "has no dataset 't_allpar_new'; it has: jets")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["t_allpar_new"] = np.zeros((3, 4))
    refused(tmp_path / "c.h5", "no jet columns")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["t_allpar_new"] = rows[[name for name in rows.dtype.names if name != "j_multiplicity"]]
    refused(tmp_path / "d.h5", "column multiplicity")
    two = rows.copy()
    two["j_g"] = 1
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["t_allpar_new"] = two
    refused(tmp_path / "e.h5", "not one-hot")
