"""Damaged data files: one clear error or the right rows, and with a known SHA-256 never other rows."""

import hashlib
import random

import h5py
import numpy as np
import pandas as pd
import pytest

from chop.dataset import MaseDataModule
from chop.dataset.array_files import read_npy
from chop.dataset.physical.jsc_columns import CLASSES, FEATURES
from chop.dataset.physical.jsc_readers import READERS
from chop.tools.errors import ConfigError

ROWS = 40
KINDS = ("hdf5", "hdf5-gzip", "csv", "csv-class-first", "arff", "parquet", "npz", "npz-packed", "npy")
SUFFIX = {"hdf5": ".h5", "npz": ".npz", "csv": ".csv", "arff": ".arff", "parquet": ".parquet", "npy": ".npy"}


def write(kind, folder, changes=None):
    """The same table each time, but for what ``changes`` says: (row, column) -> number."""
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((ROWS, 16)).astype(np.float32), draw.integers(0, 5, ROWS)
    for place, number in (changes or {}).items():
        x[place] = number
    path = folder / f"good{SUFFIX[kind.split('-')[0]]}"
    frame = pd.DataFrame(x, columns=list(FEATURES)).assign(**{"class": [CLASSES[i] for i in y]})
    if kind.startswith("hdf5"):
        rows = np.zeros(ROWS, [(f"j_{f}", "f4") for f in FEATURES] + [(f"j_{c}", "i4") for c in CLASSES])
        for column, name in enumerate(FEATURES):
            rows[f"j_{name}"] = x[:, column]
        for label, name in enumerate(CLASSES):
            rows[f"j_{name}"] = y == label
        with h5py.File(path, "w") as file:
            packed = {"compression": "gzip", "fletcher32": True} if kind == "hdf5-gzip" else {}
            file.create_dataset("t_allpar_new", data=rows, **packed)
    elif kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "csv-class-first":
        frame[["class", *FEATURES]].to_csv(path, index=False)
    elif kind == "arff":
        head = [
            "@RELATION jets",
            *(f"@ATTRIBUTE {f} REAL" for f in FEATURES),
            "@ATTRIBUTE class {g,q,t,w,z}",
            "@DATA\n",
        ]
        path.write_text("\n".join(head) + frame.to_csv(index=False, header=False))
    elif kind == "parquet":
        frame.to_parquet(path)
    elif kind == "npy":
        np.save(path, x)
    else:
        (np.savez_compressed if kind == "npz-packed" else np.savez)(path, x=x, y=y)
    return path


def read(kind, path):
    """The file's numbers as one array."""
    if kind == "npy":
        return read_npy(path, "data_dir")
    table = READERS[kind.split("-")[0]](path)
    return np.column_stack([table.x, table.labels]).astype(np.float32)


def damage(data, pick, times):
    """Files with a flipped bit, a byte of another value, a hole, and a cut, one after another."""
    for _ in range(times):
        flipped = bytearray(data)
        flipped[pick.randrange(len(data))] ^= 1 << pick.randrange(8)
        yield bytes(flipped)
        other = bytearray(data)
        for _ in range(pick.randrange(1, 5)):
            other[pick.randrange(len(data))] = pick.randrange(256)
        yield bytes(other)
        start = pick.randrange(len(data))
        yield data[:start] + data[start + pick.randrange(1, 64) :]
        yield data[:start]


def check_damaged(kind, folder, times):
    good = write(kind, folder)
    expected, refused, other = read(kind, good), 0, 0
    bad = good.with_name(f"bad{good.suffix}")
    for content in damage(good.read_bytes(), random.Random(kind), times):
        bad.write_bytes(content)
        try:
            found = read(kind, bad)
        except ConfigError as error:
            assert bad.name in str(error) and "\n" not in str(error)
            refused += 1
        else:
            other += not np.array_equal(found, expected)
    assert refused > times
    # A zip member has a checksum of its own; the description of an HDF5 file has none, whatever its values have.
    assert other == 0 or not kind.startswith("npz")


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_one_clear_error(kind, tmp_path):
    check_damaged(kind, tmp_path, 25)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_at_length(kind, tmp_path):
    check_damaged(kind, tmp_path, 2500)


def check_cuts(kind, folder, step):
    good = write(kind, folder)
    expected, data = read(kind, good), good.read_bytes()
    cut, accepted = good.with_name(f"cut{good.suffix}"), 0
    for length in range(0, len(data), step):
        cut.write_bytes(data[:length])
        try:
            found = read(kind, cut)
        except ConfigError as error:
            assert cut.name in str(error)
        else:
            accepted += 1
            # Only lines can be cut where a row ends: the rows that are left are whole.
            assert (
                kind in ("csv", "csv-class-first", "arff") and data[length - 1 : length + 1].count(b"\n") > 0
            )
            np.testing.assert_array_equal(found, expected[: len(found)])
    return accepted


@pytest.mark.parametrize("kind", KINDS)
def test_cut_files_are_refused_or_end_with_a_whole_row(kind, tmp_path):
    check_cuts(kind, tmp_path, 61)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_every_cut(kind, tmp_path):
    accepted = check_cuts(kind, tmp_path, 1)
    assert accepted <= 2 * ROWS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "npy"])
def test_a_known_sum_refuses_every_flipped_bit(kind, tmp_path):
    good = write(kind, tmp_path)
    data, pick = good.read_bytes(), random.Random(1)
    options = {"split": "all", "data_file": good}
    MaseDataModule("jsc", 8, **options, data_sha256=hashlib.sha256(data).hexdigest()).arrays("test")
    good.with_name(f"{good.name}.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  {good.name}\n")
    MaseDataModule("jsc", 8, **options).arrays("test")
    for _ in range(25):
        flipped = bytearray(data)
        flipped[pick.randrange(len(data))] ^= 1 << pick.randrange(8)
        good.write_bytes(flipped)
        with pytest.raises(ConfigError, match="is altered, cut or another file"):
            MaseDataModule("jsc", 8, **options).arrays("test")


@pytest.mark.parametrize("kind", ["hdf5", "npy"])
def test_a_flipped_number_of_a_file_without_checksums_is_the_file_of_another_table(kind, tmp_path):
    """Why only a sum from elsewhere can tell: the damaged file is, byte for byte, what another table is written as."""
    good = write(kind, tmp_path)
    data, expected = good.read_bytes(), read(kind, good)
    (tmp_path / "other").mkdir()
    for row, column in ((0, 0), (7, 3), (ROWS - 1, 15)):
        number = expected[row, column]
        for bit in (0, 13, 22):
            other = (number.view(np.uint32) ^ np.uint32(1 << bit)).view(np.float32)
            assert data.count(number.tobytes()) == 1
            written = write(kind, tmp_path / "other", {(row, column): other})
            assert data.replace(number.tobytes(), other.tobytes()) == written.read_bytes()
            assert read(kind, written)[row, column] == other


def test_a_csv_that_ends_in_a_number_without_a_line_end(tmp_path):
    good = write("csv-class-first", tmp_path)
    good.write_bytes(good.read_bytes()[:-2])  # the last digit and the line end
    with pytest.raises(ConfigError, match="the last number may be cut"):
        read("csv", good)
    plain = write("csv", tmp_path)  # a letter is whole or absent
    plain.write_bytes(plain.read_bytes().rstrip())
    assert len(read("csv", plain)) == ROWS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:5], lines[5][: lines[5].rindex(",")] + ",", *lines[6:]], "row 4 has no label"),
        (lambda lines: [*lines[:5], lines[5][: lines[5].rindex(",")], *lines[6:]], "row 4 has no label"),
        (lambda lines: [*lines[:5], lines[5] + ",1", *lines[6:]], "not a readable csv file"),
        (lambda lines: [lines[0], *(line + ",1" for line in lines[1:])], "not a readable csv file"),
        (lambda lines: ["extra," + lines[0], *lines[1:]], "column multiplicity must be one number"),
        (lambda lines: [lines[0] + ",zlogz", *(line + ",1" for line in lines[1:])], "two columns are called zlogz"),
        (lambda lines: [lines[0] + ",j_zlogz", *(line + ",1" for line in lines[1:])], "called zlogz"),
        (lambda lines: [*lines[:3], "1e300" + lines[3][lines[3].index(",") :], *lines[4:]], "row 2 has 1e+300"),
        (lambda lines: [*lines[:3], lines[3][lines[3].index(",") :], *lines[4:]], "row 2 has nan"),
        (lambda lines: [*lines[:3], "x" + lines[3][lines[3].index(",") :], *lines[4:]], "one number a row"),
        (lambda lines: [line.replace(",", ";") for line in lines], "is missing"),
        (lambda lines: [*lines[:7], lines[7][:-1] + "b", *lines[8:]], "row 6: label 'b' is neither"),
        (lambda lines: [*lines[:7], lines[7][:-1] + "7", *lines[8:]], "row 6: label '7' is neither"),
        (lambda lines: [*lines[:7], lines[7][:-1] + "²", *lines[8:]], "row 6: label '²' is neither"),
    ],
)  # fmt: skip
def test_lines_that_are_not_jets(change, message, tmp_path):
    path = write("csv", tmp_path)
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(ConfigError) as caught:
        read("csv", path)
    assert message in str(caught.value) and path.name in str(caught.value)


def test_an_arff_whose_label_is_unknown(tmp_path):
    path = write("arff", tmp_path)
    lines = path.read_text().splitlines()
    lines[-2] = lines[-2][:-1] + "?"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"good.arff: row 38 has no label"):
        read("arff", path)


def test_parquet_with_a_missing_label_and_as_categories(tmp_path):
    path = write("parquet", tmp_path)
    frame, expected = pd.read_parquet(path), read("parquet", path)
    frame.astype({"class": "category"}).to_parquet(path)
    np.testing.assert_array_equal(read("parquet", path), expected)
    frame.assign(**{"class": [v.encode() for v in frame["class"]]}).to_parquet(path)
    np.testing.assert_array_equal(read("parquet", path), expected)
    frame.loc[9, "class"] = None
    frame.to_parquet(path)
    with pytest.raises(ConfigError, match="row 9 has no label"):
        read("parquet", path)
    frame.assign(**{"class": [[1]] * ROWS}).to_parquet(path)
    with pytest.raises(ConfigError, match="label"):
        read("parquet", path)
