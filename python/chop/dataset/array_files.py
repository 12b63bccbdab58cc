"""Reading ``.npy`` and ``.npz`` files without pickle, with declared sizes checked before reading."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from chop.tools.errors import ConfigError

_LARGEST = 16 << 30  # bytes of one array; the whole OpenML table takes 0.1 GB


def read_npz(path: Path, what: str, wanted: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name.

    Args:
        path: the file.
        what: opens the error messages.
        wanted: read only these; arrays that are absent are left out of the result.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: not an ``.npz`` file, truncated, altered, or an array of objects (which would be a
            pickle).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {n.removesuffix(".npy"): n for n in archive.namelist() if n.endswith(".npy")}
            chosen = names if wanted is None else {k: n for k, n in names.items() if k in wanted}
            return {key: _member(archive, name, path, what) for key, name in chosen.items()}
    except FileNotFoundError:
        raise FileNotFoundError(f"{what}: {path} does not exist") from None
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{what}: {path} is not a readable .npz file ({error})") from None


def read_npy(path: Path, what: str) -> np.ndarray:
    """The array of an ``.npy`` file.

    Raises:
        ConfigError: not an ``.npy`` file, truncated, or an array of objects (which would be a pickle).
    """
    try:
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size, str(path), what)
            file.seek(0)
            return np.load(file, allow_pickle=False)
    except (EOFError, OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{what}: {path} is not a readable .npy file ({error})") from None


def _member(archive: zipfile.ZipFile, name: str, path: Path, what: str) -> np.ndarray:
    entry = archive.getinfo(name)
    with archive.open(entry) as file:
        _check_header(file, entry.file_size, f"{path}:{name}", what)
    with archive.open(entry) as file:
        array = npy_format.read_array(file, allow_pickle=False)
        # The checksum of a zip member is compared when its end is reached.
        if file.read(1):
            raise ConfigError(f"{what}: {path}:{name} has bytes after the array")
        return array


def _check_header(file: IO[bytes], size: int, where: str, what: str) -> None:
    version = npy_format.read_magic(file)
    read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise ConfigError(
            f"{what}: {where} holds Python objects, which are refused; save it as numbers or text"
        )
    declared = math.prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape) or declared > min(size, _LARGEST):
        raise ConfigError(f"{what}: {where} declares shape {shape}, more than the file holds")
