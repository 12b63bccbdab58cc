"""Arrays that a config file names instead of holding them: ``weight_width = "widths.npz#seq_blocks_2"``."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

_NAMED = re.compile(r"(?s)(.+\.npz)#(.+)")


def read_named_arrays(config: Any, folder: Path, where: str = "") -> Any:
    """Return a copy of a config in which each ``"FILE.npz#KEY"`` of a key that ends in ``_width`` is what it names.

    Args:
        config: tables, lists and plain values.
        folder: what relative names of files start from.
        where: key path of ``config``, for messages.

    Returns:
        The config, arrays as nested lists.

    Raises:
        ConfigError: a file that cannot be read, that lacks the key, or holds pickled objects there.

    >>> import tempfile
    >>> import numpy as np
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.savez(folder / "widths.npz", first=np.array([2, 3]))
    >>> read_named_arrays({"weight_width": "widths.npz#first", "bias_width": 8}, folder)
    {'weight_width': [2, 3], 'bias_width': 8}
    """
    if isinstance(config, Mapping):
        return {
            key: read_named_arrays(item, folder, f"{where}.{key}" if where else str(key))
            for key, item in config.items()
        }
    if isinstance(config, list):
        return [read_named_arrays(item, folder, where) for item in config]
    named = _NAMED.fullmatch(config) if isinstance(config, str) and where.endswith("_width") else None
    return config if named is None else _read(folder / named[1], named[2], where)


def _read(file: Path, key: str, where: str) -> Any:
    import numpy as np

    try:
        with np.load(file, allow_pickle=False) as arrays:
            if key not in arrays.files:
                held = did_you_mean(key, arrays.files) or f"; it has: {', '.join(arrays.files)}"
                raise ConfigError(f"{where}: {file} has no array {key!r}{held}")
            return arrays[key].tolist()
    except ConfigError:
        raise
    except FileNotFoundError:
        raise ConfigError(f"{where}: no file {str(file)!r}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(f"{where}: cannot read {key!r} of {str(file)!r}: {reason}") from None
