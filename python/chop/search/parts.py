"""Where the results of a sweep are kept while it runs: in memory, or in a folder, part by part."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

MANIFEST = "manifest.json"

Part = tuple[np.ndarray, np.ndarray]  # float64 [count, objectives]; uint8 [count], 1 where one was dropped


class Parts:
    """Parts of equal size, the last one shorter, in memory.

    Args:
        count: distinct configurations.
        size: of a part.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self._kept: dict[int, Part] = {}

    def ranges(self) -> Iterator[tuple[int, int, int]]:
        """Index, first position and number of configurations of each part."""
        for index in range(-(-self.count // self.size)):
            yield index, *self.range_of(index)

    def range_of(self, index: int) -> tuple[int, int]:
        """First position and number of configurations of a part."""
        first = index * self.size
        return first, min(self.size, self.count - first)

    def get(self, index: int) -> Part | None:
        """Return a part, None where it is not finished."""
        return self._kept.get(index)

    def put(self, index: int, part: Part) -> None:
        """Keep a finished part."""
        self._kept[index] = part

    def all(self) -> Part:
        """Return all parts as one; every one must be finished."""
        parts = [self.get(index) for index, _, _ in self.ranges()]
        values, dropped = zip(*(part for part in parts if part is not None), strict=True)
        return np.concatenate(values), np.concatenate(dropped)


class StoredParts(Parts):
    """Parts in a folder, each one file that is there as a whole or not at all, and a manifest.

    Args:
        folder: made if absent.
        count: configurations in all.
        described: what the results depend on; it goes into the manifest, and what another sweep left is refused.
        size: configurations of a part.

    Raises:
        ConfigError: the folder holds another sweep.
    """

    def __init__(self, folder: Path, count: int, described: dict[str, Any], size: int) -> None:
        super().__init__(count, size)
        self.folder = folder
        wanted = {**described, "distinct": count, "part": size}
        manifest = folder / MANIFEST
        if manifest.exists():
            found = _manifest(manifest)
            if different := sorted(key for key in wanted if found.get(key) != wanted[key]):
                raise ConfigError(
                    f"sweep: {folder} holds another sweep (it differs in {', '.join(different)}): give another path"
                )
        else:
            atomic_write(manifest, json.dumps(wanted, indent=2))

    def get(self, index: int) -> Part | None:
        """Read a part, None where its file is not there; ConfigError where it is damaged."""
        path = self._path(index)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as found:
                return found["values"], found["dropped"]
        except Exception as error:  # NumPy and zipfile meet a damaged file with every kind
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ConfigError(
                f"sweep: {path} is damaged ({reason}): remove it, and the same call measures this part again"
            ) from None

    def put(self, index: int, part: Part) -> None:
        """Write a part."""
        atomic_write(self._path(index), to_npz({"values": part[0], "dropped": part[1]}))

    def _path(self, index: int) -> Path:
        return self.folder / f"part-{index:06d}.npz"


def _manifest(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes().decode()))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"sweep: {path} is damaged ({error}): give another path") from None


def to_npz(columns: dict[str, np.ndarray]) -> bytes:
    """Return the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **columns)  # type: ignore[arg-type]
    return buffer.getvalue()


def digest_of_columns(columns: Mapping[str, np.ndarray], about: str) -> str:
    """Hexadecimal SHA-256 of a sweep's columns, as they are read back, and of its description.

    >>> digest_of_columns({"a": np.arange(3)}, "{}")[:8]
    '9d653ec7'
    """
    found = hashlib.sha256(about.encode())
    for name, values in columns.items():
        content = repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
        found.update(f"{name}:{values.dtype.str}:{len(content)}:".encode() + content)
    return found.hexdigest()
