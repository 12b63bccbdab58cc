"""Small files that unpack to far more: refused before memory is taken, unless the user says so."""

import contextlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chop.dataset import MaseDataModule
from chop.dataset.array_files import read_npy, read_npz
from chop.dataset.physical.jsc_columns import CLASSES, FEATURES
from chop.dataset.physical.jsc_readers import READERS
from chop.dataset.reading import check_unpacked
from chop.tools.errors import ConfigError

MB = 1 << 20
JET = np.dtype([(f"j_{f}", "f4") for f in FEATURES] + [(f"j_{c}", "i4") for c in CLASSES])


def header(shape, dtype="<f4", fortran=False):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": dtype, "fortran_order": fortran, "shape": tuple(shape)}
    )
    return head.getvalue()


def packed(path, shape, held, dtype="<f4", method=zipfile.ZIP_DEFLATED, names=("x.npy",), fortran=False):
    """An npz whose arrays declare a shape and hold ``held`` zeros."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(header(shape, dtype, fortran))
                for _ in range(held // MB):
                    file.write(bytes(MB))


def jets(path, rows, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("t_allpar_new", shape=(rows,), dtype=JET, **options)[:20] = np.zeros(20, JET)


def parquet(path, rows, text="g"):
    import pyarrow as pa
    from pyarrow import parquet

    columns = {name: pa.array(np.zeros(rows, np.float32)) for name in FEATURES}
    columns["class"] = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))
    parquet.write_table(pa.table(columns), path, row_group_size=1 << 22, compression="zstd")


BOMBS = {
    **{
        f"npz {dtype}{' by columns' if fortran else ''}": lambda p, d=dtype, f=fortran: packed(
            p, (256 * MB // np.dtype(d).itemsize // 16, 16), 256 * MB, d, fortran=f
        )
        for dtype in ("<f4", ">f8", "<f2", "|b1", "<i8", "<U16")
        for fortran in (False, True)
    },
    "npz bzip2": lambda p: packed(p, (4 * MB, 16), 256 * MB, method=zipfile.ZIP_BZIP2),
    "npz lzma": lambda p: packed(p, (4 * MB, 16), 256 * MB, method=zipfile.ZIP_LZMA),
    "npz two arrays": lambda p: packed(p, (2 * MB, 16), 128 * MB, names=("x.npy", "y.npy")),
    "npz many arrays": lambda p: packed(p, (1, MB), 4 * MB, names=[f"{n}.npy" for n in range(64)]),
    "npz one row": lambda p: packed(p, (1, 64 * MB), 256 * MB),
    "npz one column": lambda p: packed(p, (64 * MB, 1), 256 * MB),
    "npz 5 dimensions": lambda p: packed(p, (4, 4, 4, MB, 1), 256 * MB),
    "npz declares more than it holds": lambda p: packed(p, (1 << 40, 16), 8 * MB),
    "npz product overflows": lambda p: packed(p, (1 << 40, 1 << 40), 8 * MB),
    "npz negative": lambda p: packed(p, (-1, -(1 << 40)), 8 * MB),
    "hdf5 gzip": lambda p: jets(p, 4 * MB, chunks=(1 << 16,), compression="gzip", shuffle=True),
    "hdf5 lzf": lambda p: jets(p, 4 * MB, chunks=(1 << 16,), compression="lzf"),
    "hdf5 large chunks": lambda p: jets(p, 20, chunks=(8 * MB,), maxshape=(None,), compression="gzip"),
    "hdf5 nothing stored": lambda p: jets(p, 1 << 40, chunks=(1 << 16,)),
    "hdf5 checksums only": lambda p: jets(p, 1 << 36, chunks=(1 << 16,), fletcher32=True),
    "parquet": lambda p: parquet(p, 8 * MB),
    "parquet a long text": lambda p: parquet(p, MB, "g" * 4096),
}  # fmt: skip


def suffix(name):
    return {"npz": ".npz", "hdf5": ".h5", "parquet": ".parquet"}[name.split()[0]]


CHILD = """
import json, resource, sys
from pathlib import Path
import h5py, pyarrow.parquet
from chop.dataset.physical.jsc_readers import READERS
from chop.tools.errors import ConfigError
found = {}
for path in sys.argv[1:]:
    kind = {".npz": "npz", ".h5": "hdf5", ".parquet": "parquet"}[Path(path).suffix]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        READERS[kind](Path(path))
        said = "read"
    except ConfigError as error:
        said = str(error)
    found[Path(path).stem] = said, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Name of a bomb -> what its reader said, and by how many MB a process of its own grew."""
    pytest.importorskip("pyarrow")
    folder, paths = tmp_path_factory.mktemp("bombs"), []
    for name, write in BOMBS.items():
        path = folder / f"{name}{suffix(name)}"
        write(path)
        assert path.stat().st_size < 8 * MB, name
        paths.append(str(path))
    done = subprocess.run([sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.soak
@pytest.mark.parametrize("name", BOMBS)
def test_small_files_never_take_much_memory(name, outcomes):
    said, grown = outcomes[name]
    assert "declares" in said or "not a readable" in said
    assert grown < 100


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("npz", lambda p: packed(p, (MB // 2, 16), 32 * MB)),
        ("npz", lambda p: packed(p, (MB // 4, 16), 16 * MB, names=("x.npy", "y.npy"))),
        ("hdf5", lambda p: jets(p, MB // 2, chunks=(1 << 16,), compression="gzip")),
        ("hdf5", lambda p: jets(p, 20, chunks=(MB // 2,), maxshape=(None,), compression="gzip")),
        ("parquet", lambda p: parquet(p, MB // 4)),
    ],
)
def test_unpacking_is_bounded_and_can_be_allowed(name, write, tmp_path):
    if name == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"a{suffix(name)}"
    write(path)
    with pytest.raises(ConfigError) as caught:
        READERS[name](path)
    said = str(caught.value)
    assert path.name in said and "--max-unpacked-mb" in said and "\n" not in said
    needed = int(said.split("max_unpacked_mb = ")[1].split()[0])
    with pytest.raises(ConfigError, match="declares"):
        READERS[name](path, needed - 1)
    try:
        READERS[name](path, needed)
    except ConfigError as error:  # zeros are no jets, but they were unpacked
        assert "declares" not in str(error)


def test_consent_reaches_the_reader(tmp_path):
    x = np.zeros((300_000, 16), np.float32)
    np.savez_compressed(tmp_path / "a.npz", x=x, y=np.arange(len(x)) % 3)
    with pytest.raises(ConfigError, match="max_unpacked_mb = 22 "):
        MaseDataModule(str(tmp_path / "a.npz"), 8).setup()
    assert len(MaseDataModule(str(tmp_path / "a.npz"), 8, max_unpacked_mb=22).arrays("test")[1]) == 60_000
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(len(x)) % 3)  # no consent for what is there in full
    assert len(MaseDataModule(str(tmp_path / "a.npz"), 8).arrays("test")[1]) == 60_000
    for wrong in (0, -1, 1.5, "9", True):
        with pytest.raises(ConfigError, match="max_unpacked_mb must be an integer of at least 1"):
            MaseDataModule(str(tmp_path / "a.npz"), 8, max_unpacked_mb=wrong)


@given(
    declared=st.integers(0, 1 << 70), held=st.integers(0, 1 << 50), allowed=st.none() | st.integers(1, 10**9)
)
def test_the_bound(declared, held, allowed):
    bound = max(
        16 * MB + 50 * held if 16 * MB + 50 * held <= 16 << 30 else max(16 << 30, held),
        (allowed or 0) * 10**6,
    )
    try:
        check_unpacked(declared, held, "here", allowed)
    except ConfigError:
        assert declared > bound
    else:
        assert declared <= bound


def lie(folder, shape, dtype, extra):
    """An npz and an npy whose header is followed by other than it declares."""
    content = header(shape, dtype) + bytes(extra)
    (folder / "a.npy").write_bytes(content)
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
    expected = int(np.prod([int(n) for n in shape], dtype=object)) * np.dtype(dtype).itemsize
    for read in (lambda: read_npz(folder / "a.npz", "here")["x"], lambda: read_npy(folder / "a.npy", "here")):
        # NumPy counts the sizes that are not 0 too, and they may be too many for it.
        if min(shape, default=1) >= 0 and expected == extra and countable(shape, dtype):
            assert read().nbytes == expected
        elif min(shape, default=1) >= 0 and expected == extra:
            with pytest.raises(ConfigError):
                read()
        else:
            with pytest.raises(ConfigError):
                read()


def countable(shape, dtype):
    """Whether NumPy can make an array of this shape."""
    with contextlib.suppress(ValueError, MemoryError):
        return np.empty(shape, dtype) is not None
    return False


sizes = st.lists(st.integers(-(1 << 40), 1 << 40) | st.integers(0, 9), max_size=5)
dtypes = st.sampled_from(["<f4", ">f8", "|b1", "<i8", "<U3", "|S5"])


@given(shape=sizes, dtype=dtypes, extra=st.integers(0, 200))
def test_headers_that_lie(tmp_path_factory, shape, dtype, extra):
    lie(Path(tmp_path_factory.getbasetemp()), shape, dtype, extra)


@pytest.mark.soak
@settings(max_examples=10_000)
@given(shape=sizes, dtype=dtypes, extra=st.integers(0, 200))
def test_headers_that_lie_at_length(tmp_path_factory, shape, dtype, extra):
    lie(Path(tmp_path_factory.getbasetemp()), shape, dtype, extra)
