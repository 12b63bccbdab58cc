"""Reading ``.npy`` and ``.npz`` files without pickle, with declared sizes checked before reading."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from chop.dataset.reading import check_unpacked, reading
from chop.tools.errors import ConfigError


def read_npz(
    path: Path, what: str, wanted: Collection[str] | None = None, max_unpacked_mb: int | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name.

    Args:
        path: the file.
        what: opens the error messages.
        wanted: read only these; arrays that are absent are left out of the result.
        max_unpacked_mb: see :func:`chop.dataset.reading.check_unpacked`.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: not an ``.npz`` file, truncated, altered, unpacking to far more than it holds, or an array of
            objects (which would be a pickle).
    """
    if not path.exists():
        raise FileNotFoundError(f"{what}: {path} does not exist")
    with reading(path, ".npz", what), zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        names = {name.removesuffix(".npy"): name for name in members}
        if len(names) < len(members):
            raise ConfigError(f"{what}: {path} holds two arrays of one name")
        chosen = names if wanted is None else {k: n for k, n in names.items() if k in wanted}
        declared = sum(_declared(archive, name, path, what) for name in chosen.values())
        check_unpacked(declared, path.stat().st_size, f"{what}: {path}", max_unpacked_mb)
        return {key: _member(archive, name, path, what) for key, name in chosen.items()}


def read_npy(path: Path, what: str) -> np.ndarray:
    """The array of an ``.npy`` file.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: not an ``.npy`` file, truncated, or an array of objects (which would be a pickle).
    """
    if not path.exists():
        raise FileNotFoundError(f"{what}: {path} does not exist")
    with reading(path, ".npy", what), path.open("rb") as file:
        size = path.stat().st_size
        declared = _check_header(file, size, str(path), what)
        if file.tell() + declared != size:
            raise ConfigError(f"{what}: {path} has {size - file.tell()} bytes for an array of {declared}")
        file.seek(0)
        array: np.ndarray = np.load(file, allow_pickle=False)
        return array


def _declared(archive: zipfile.ZipFile, name: str, path: Path, what: str) -> int:
    entry = archive.getinfo(name)
    with archive.open(entry) as file:
        return _check_header(file, entry.file_size, f"{path}:{name}", what)


def _member(archive: zipfile.ZipFile, name: str, path: Path, what: str) -> np.ndarray:
    with archive.open(name) as file:
        array: np.ndarray = npy_format.read_array(file, allow_pickle=False)
        # The checksum of a zip member is compared when its end is reached.
        if file.read(1):
            raise ConfigError(f"{what}: {path}:{name} has bytes after the array")
        return array


def _check_header(file: IO[bytes], size: int, where: str, what: str) -> int:
    # Bytes that the header declares, which the file (unpacked) has to hold.
    version = npy_format.read_magic(file)
    read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise ConfigError(
            f"{what}: {where} holds Python objects, which are refused; save it as numbers or text"
        )
    declared = math.prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape) or declared > size:
        raise ConfigError(f"{what}: {where} declares shape {shape}, more than the file holds")
    return declared
