"""The CERNBox table: an HDF5 file with one compound dataset ``t_allpar_new``, whatever its suffix.

An HDF5 file can name other files (external storage, links, virtual datasets) and can declare sizes that it
does not hold; both are refused before a value is read.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from chop.dataset.physical.jsc_table import WANTED, JetTable, bare_name, table_from_columns
from chop.dataset.reading import check_unpacked, reading
from chop.tools.errors import ConfigError

DATASET = "t_allpar_new"


def read_hdf5(path: Path, max_unpacked_mb: int | None = None) -> JetTable:
    """Read the jets of a CERNBox file: 16 features and five one-hot columns, each with or without ``j_``.

    Args:
        path: the file.
        max_unpacked_mb: see :func:`chop.dataset.reading.check_unpacked`.

    Raises:
        ConfigError: not such a file, truncated, or one that points to other files or declares more than it
            holds.
    """
    import h5py

    with reading(path, "HDF5"), h5py.File(path, "r") as file:
        data = open_own_dataset(file, DATASET, path, max_unpacked_mb)
        names = list(data.dtype.names or ())
        wanted = [name for name in names if bare_name(name) in WANTED]
        if not wanted:
            raise ConfigError(f"{path}: {DATASET} has no jet columns")
        _check_fields(data, wanted, path)
        rows = data.fields(wanted)[()]
    return table_from_columns(path, "CERNBox", wanted, lambda name: rows[name])


def open_own_dataset(file: Any, name: str, path: Path, max_unpacked_mb: int | None = None) -> Any:
    """The dataset ``name`` at the top of an open HDF5 file, after checking that its data lie in this file.

    Args:
        file: an open ``h5py.File``.
        name: a name in the root group.
        path: the file's, whose size bounds what it can hold.
        max_unpacked_mb: see :func:`chop.dataset.reading.check_unpacked`.

    Raises:
        ConfigError: the dataset is missing, is or uses a link to elsewhere, or declares more than the file
            holds.
    """
    import h5py

    if name not in file.keys():  # noqa: SIM118  `in file` would follow links
        raise ConfigError(
            f"{path} has no dataset {name!r}; it has: {', '.join(list(file.keys())[:8]) or 'none'}"
        )
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ConfigError(f"{path}: {name} is a link to elsewhere, which is refused")
    data = file[name]
    if not isinstance(data, h5py.Dataset):
        raise ConfigError(f"{path}: {name} is not a dataset")
    if data.external or data.is_virtual:
        raise ConfigError(f"{path}: {name} keeps its values in another file, which is refused")
    declared = math.prod(data.shape or (0,)) * data.dtype.itemsize
    # A damaged or forged file can say that it holds more than its own size.
    held = min(data.id.get_storage_size(), path.stat().st_size)
    if data.id.get_create_plist().get_nfilters() > 0:
        # A chunk is unpacked whole, and may be larger than the dataset.
        chunk = math.prod(data.chunks or (0,)) * data.dtype.itemsize
        check_unpacked(max(declared, chunk), held, f"{path}: {name}", max_unpacked_mb)
    elif declared > held:
        raise ConfigError(f"{path}: {name} declares {declared} bytes, the file holds {held} for it")
    return data


def _check_fields(data: Any, names: list[str], path: Path) -> None:
    if data.ndim != 1:
        raise ConfigError(f"{path}: {DATASET} must have one row a jet, got shape {list(data.shape)}")
    for name in names:
        kind: np.dtype[Any] = data.dtype[name]
        if kind.kind not in "fiuS" or kind.shape:
            raise ConfigError(f"{path}: column {name} must be numbers, got {kind}")
