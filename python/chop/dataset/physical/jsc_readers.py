"""Readers of the OpenML family: csv, arff, parquet, npz, and the hls4ml tutorial's set of npy files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chop.dataset.array_files import read_npy, read_npz
from chop.dataset.physical.jsc_columns import FEATURES
from chop.dataset.physical.jsc_files import TUTORIAL_FILES
from chop.dataset.physical.jsc_hdf5 import read_hdf5
from chop.dataset.physical.jsc_table import (
    WANTED,
    JetTable,
    bare_name,
    labels_from_one_hot,
    labels_from_values,
    table_from_columns,
)
from chop.dataset.reading import check_unpacked, reading
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install

_FAMILY = "OpenML"


def read_csv(path: Path, max_unpacked_mb: int | None = None) -> JetTable:
    """A csv file with a header line."""
    return _read_text(path, "csv", lambda read: read(path))


def read_arff(path: Path, max_unpacked_mb: int | None = None) -> JetTable:
    """OpenML's arff: attribute lines, ``@data``, then csv lines."""
    names, lines = [], 0
    with reading(path, "arff"), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            lines += 1
            word = line.split(maxsplit=2)
            if word and word[0].lower() == "@attribute" and len(word) == 3:
                names.append(word[1].strip("'\""))
            if word and word[0].lower() == "@data":
                break
        else:
            raise ConfigError(f"{path} is not an arff file: it has no @data line")
    options = {"skiprows": lines, "names": names, "comment": "%", "na_values": ["?"]}
    return _read_text(path, "arff", lambda read: read(path, **options))


def read_parquet(path: Path, max_unpacked_mb: int | None = None) -> JetTable:
    """A parquet file; needs pyarrow. Checksums of its pages are compared where it has them."""
    try:
        from pyarrow import parquet, types
    except ImportError:
        raise ConfigError(
            f"{path}: reading parquet needs pyarrow: {how_to_install('data', ['pyarrow'])}"
        ) from None

    with reading(path, "parquet"):
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            facts = file.metadata
            wanted = [name for name in file.schema_arrow.names if bare_name(name) in WANTED]
            text = [name for name in wanted if types.is_string(file.schema_arrow.field(name).type)]
            # A column's own description is not asked: one that is damaged ends the process there, not in a read.
            packed = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
            declared = max(facts.num_rows * 8 * len(wanted), packed)
            check_unpacked(declared, path.stat().st_size, str(path), max_unpacked_mb)
        # A text that a page holds once stays once in memory: as categories.
        with parquet.ParquetFile(path, page_checksum_verification=True, read_dictionary=text) as file:
            columns = {
                name: column.to_pandas().to_numpy()
                for name, column in zip(wanted, file.read(columns=wanted).columns, strict=True)
            }
        return table_from_columns(path, _FAMILY, wanted, columns.__getitem__)


def read_jet_npz(path: Path, max_unpacked_mb: int | None = None) -> JetTable:
    """An npz file with one array a column, or with ``x`` (or ``x_phys``) ``[rows, 16]`` and ``y``.

    ``feature_names`` and ``classes`` are followed where they are there; else the columns are taken in the
    usual order, and labels as alphabetical codes.
    """
    arrays = read_npz(path, "data_file", max_unpacked_mb=max_unpacked_mb)
    if "y" not in arrays:
        return table_from_columns(path, _FAMILY, list(arrays), arrays.__getitem__)
    key = next((key for key in ("x", "x_phys", "x_std") if key in arrays), None)
    if key is None:
        raise ConfigError(f"{path} has y but no array x or x_phys")
    x = arrays[key]
    if x.ndim != 2 or x.shape[1] != len(FEATURES) or x.dtype.kind not in "fiu":
        raise ConfigError(f"{path}: {key} must be numbers of shape [rows, 16], got {x.dtype} {list(x.shape)}")
    if "feature_names" in arrays:
        x = x[:, _column_order([str(name) for name in arrays["feature_names"]], path)]
    classes = [str(name) for name in arrays["classes"]] if "classes" in arrays else None
    labels, note = _labels(arrays["y"], classes, path)
    if len(labels) != len(x):
        raise ConfigError(f"{path}: {key} has {len(x)} rows, y has {len(labels)}")
    return JetTable(path, _FAMILY, x, labels, note=note)


def read_tutorial(folder: Path, max_unpacked_mb: int | None = None) -> JetTable:
    """The hls4ml tutorial's ``X_train_val``, ``X_test``, ``y_train_val``, ``y_test``.

    The features are standardised there already, the labels one-hot in alphabetical order.
    """
    arrays = {
        name: read_npy(folder / name, "data_dir") for name in TUTORIAL_FILES if (folder / name).is_file()
    }
    missing = [name for name in TUTORIAL_FILES if name not in arrays]
    if missing:
        raise FileNotFoundError(f"data_file: {folder} holds no {missing[0]}")
    features, labels = [], []
    for part in ("train_val", "test"):
        x, y = arrays[f"X_{part}.npy"], arrays[f"y_{part}.npy"]
        if x.ndim != 2 or x.shape[1] != len(FEATURES) or x.dtype.kind != "f" or len(x) != len(y):
            raise ConfigError(
                f"{folder}: X_{part}.npy must be floats of shape [{len(y)}, 16], got {list(x.shape)}"
            )
        features.append(x)
        labels.append(_labels(y, None, folder / f"y_{part}.npy")[0])
    rows = np.arange(sum(map(len, labels)))
    cut = len(labels[0])
    return JetTable(
        folder,
        _FAMILY,
        np.concatenate(features),
        np.concatenate(labels),
        parts=(rows[:cut], rows[cut:]),
        note="the hls4ml tutorial's split, already standardised",
    )


def _labels(y: np.ndarray, classes: list[str] | None, path: Path) -> tuple[np.ndarray, str]:
    if y.ndim == 1:
        return labels_from_values(y, path, classes)
    codes = labels_from_one_hot(y, path)
    return labels_from_values(codes, path, classes)


def _column_order(names: list[str], path: Path) -> list[int]:
    bare = [name.removeprefix("j_") for name in names]
    if sorted(bare) != sorted(FEATURES):
        raise ConfigError(
            f"{path}: feature_names must be the 16 jet features, got {', '.join(names[:4])} ..."
        )
    return [bare.index(name) for name in FEATURES]


def _read_text(path: Path, kind: str, call: Callable[[Callable[..., Any]], Any]) -> JetTable:
    """Read lines of values with pandas, and see whether the file may have been cut."""
    import pandas

    # Without index_col a column too many would shift all names by one.
    read = partial(pandas.read_csv, index_col=False, low_memory=False)
    with reading(path, kind), warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        frame = call(read)
    names = [str(column) for column in frame.columns]
    twice = [name for name in names if f"{name}.1" in names]  # as pandas renames the second
    if twice:
        raise ConfigError(f"{path}: two columns are called {twice[0]}")
    if bare_name(names[-1]) in FEATURES and not _ends_a_line(path):
        raise ConfigError(
            f"{path}: its last line has no line end, so the last number may be cut: add a line end if it is whole"
        )
    return table_from_columns(path, _FAMILY, names, lambda name: frame[name].to_numpy())


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) in b"\r\n"


READERS: dict[str, Callable[..., JetTable]] = {
    "hdf5": read_hdf5,
    "csv": read_csv,
    "arff": read_arff,
    "parquet": read_parquet,
    "npz": read_jet_npz,
    "tutorial": read_tutorial,
}
