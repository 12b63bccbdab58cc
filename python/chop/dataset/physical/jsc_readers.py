"""Readers of the OpenML family: csv, arff, parquet, npz, and the hls4ml tutorial's set of npy files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chop.dataset.array_files import read_npy, read_npz
from chop.dataset.physical.jsc_columns import FEATURES
from chop.dataset.physical.jsc_files import TUTORIAL_FILES
from chop.dataset.physical.jsc_hdf5 import read_hdf5
from chop.dataset.physical.jsc_table import (
    JetTable,
    labels_from_one_hot,
    labels_from_values,
    table_from_columns,
)
from chop.tools.errors import ConfigError

_FAMILY = "OpenML"


def read_csv(path: Path) -> JetTable:
    """A csv file with a header line."""
    import pandas

    return _from_frame(path, lambda: pandas.read_csv(path))


def read_arff(path: Path) -> JetTable:
    """OpenML's arff: attribute lines, ``@data``, then csv lines."""
    import pandas

    names, lines = [], 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            lines += 1
            word = line.split(maxsplit=2)
            if word and word[0].lower() == "@attribute" and len(word) == 3:
                names.append(word[1].strip("'\""))
            if word and word[0].lower() == "@data":
                break
        else:
            raise ConfigError(f"{path} is not an arff file: it has no @data line")
    return _from_frame(path, lambda: pandas.read_csv(path, skiprows=lines, names=names, comment="%"))


def read_parquet(path: Path) -> JetTable:
    """A parquet file; needs pyarrow."""
    import pandas

    try:
        return _from_frame(path, lambda: pandas.read_parquet(path))
    except ImportError:
        raise ConfigError(f"{path}: reading parquet needs pyarrow: pip install 'chop[data]'") from None


def read_jet_npz(path: Path) -> JetTable:
    """An npz file with one array a column, or with ``x`` (or ``x_phys``) ``[rows, 16]`` and ``y``.

    ``feature_names`` and ``classes`` are followed where they are there; else the columns are taken in the
    usual order, and labels as alphabetical codes.
    """
    arrays = read_npz(path, "data_file")
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


def read_tutorial(folder: Path) -> JetTable:
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


def _from_frame(path: Path, read: Callable[[], Any]) -> JetTable:
    try:
        frame = read()
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    return table_from_columns(
        path, _FAMILY, [str(c) for c in frame.columns], lambda name: frame[name].to_numpy()
    )


READERS: dict[str, Callable[[Path], JetTable]] = {
    "hdf5": read_hdf5,
    "csv": read_csv,
    "arff": read_arff,
    "parquet": read_parquet,
    "npz": read_jet_npz,
    "tutorial": read_tutorial,
}
