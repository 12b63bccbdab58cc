"""Reading and writing TOML configs, and putting defaults, config and typed values together.

``"NA"`` in a config stands for None, because TOML has no null (MASE behaviour).
"""

from __future__ import annotations

import os
import tomllib
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chop.registry import did_you_mean
from chop.tools.atomic_write import atomic_write
from chop.tools.best_file import load_best, names_best
from chop.tools.config_arrays import read_named_arrays
from chop.tools.errors import ConfigError


def load_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file; every string "NA" becomes None, and ``"FILE.npz#KEY"`` of a width the array that it names.

    The ``best.json`` of a search gives the ``[passes]`` of its first trial, ``best.json#2`` those of entry 2.

    Raises:
        ConfigError: missing or unreadable file, not ``.toml``, or bad TOML (the message names the line).

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.toml"
    >>> _ = path.write_text('x = 1\\nfrac = ["NA", 2]')
    >>> load_config(path)
    {'x': 1, 'frac': [None, 2]}
    """
    path = Path(path)
    if names_best(path):
        return load_best(path)
    if path.suffix != ".toml":
        raise ConfigError(f"config file must end in .toml, got {str(path)!r}")
    try:
        text = path.read_bytes().decode("utf-8")
        return read_named_arrays(convert_str_na_to_none(tomllib.loads(text)), path.parent)
    except FileNotFoundError:
        raise ConfigError(f"no config file {str(path)!r}{_nearest_file(path)}") from None
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        # ValueError covers bad TOML, bad UTF-8 and a NUL in the name.
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot read config file {str(path)!r}: {reason}") from None
    except RecursionError:
        raise ConfigError(f"cannot read config file {str(path)!r}: nested too deep") from None


def _nearest_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f": there is no folder {str(path.parent)!r}"
    return did_you_mean(path.name, (entry.name for entry in path.parent.glob("*.toml")))


def save_config(config: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write ``config`` as TOML, None as "NA"; the file appears whole or not at all.

    >>> import tempfile
    >>> path = save_config({"a": {"width": 8, "frac": None}}, Path(tempfile.mkdtemp()) / "a.toml")
    >>> load_config(path)
    {'a': {'width': 8, 'frac': None}}
    """
    import tomlkit

    return atomic_write(path, tomlkit.dumps(convert_none_to_str_na(config)))


def refuse_huge_integers(value: Any, where: str) -> None:
    """Refuse integers beyond 64 bits, as TOML asks of its readers; Python's own takes them.

    Raises:
        ConfigError: with the key path, which opens with ``where``.

    >>> refuse_huge_integers({"a": [1, 2**63]}, "b")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: b.a must be an integer of at most 64 bits, got 9223372036854775808
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            refuse_huge_integers(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            refuse_huge_integers(item, where)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        shown = str(value) if abs(value) < 10**40 else f"one of {value.bit_length()} bits"
        raise ConfigError(f"{where} must be an integer of at most 64 bits, got {shown}")


def convert_str_na_to_none(value: Any) -> Any:
    """Return a copy of ``value`` in which every "NA", at any depth, is None.

    >>> convert_str_na_to_none({"a": ["NA", 1], "b": "na"})
    {'a': [None, 1], 'b': 'na'}
    """
    return _replace(value, lambda leaf: None if leaf == "NA" else leaf)


def convert_none_to_str_na(value: Any) -> Any:
    """Return a copy of ``value`` in which every None is "NA": the inverse of convert_str_na_to_none.

    >>> convert_none_to_str_na([None, 1])
    ['NA', 1]
    """
    return _replace(value, lambda leaf: "NA" if leaf is None else leaf)


def _replace(value: Any, leaf: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace(item, leaf) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace(item, leaf) for item in value]
    return leaf(value)


def merge_options(
    defaults: Mapping[str, Any], config: Mapping[str, Any], typed: Mapping[str, Any]
) -> dict[str, Any]:
    """Effective values: default < config < typed, for the keys of ``defaults`` (tables are not options).

    >>> merge_options({"a": 1, "b": 2, "c": 3}, {"b": 20, "c": 30, "passes": {}}, {"c": 3})
    {'a': 1, 'b': 20, 'c': 3}
    """
    return {key: typed.get(key, config.get(key, default)) for key, default in defaults.items()}


def post_parse_load_config(args: Namespace, defaults: Mapping[str, Any]) -> Namespace:
    """Merge ``args.config`` (if any) between ``defaults`` and ``args``; returns a new namespace.

    Args:
        args: what the user typed. An attribute that is absent was not typed. Where every default has its
            attribute, as with a plain argparse parser, one that equals its default counts as not typed.
        defaults: option -> default.

    >>> merged = post_parse_load_config(Namespace(seed=3), {"seed": 0, "task": "cls", "config": None})
    >>> merged.seed, merged.task
    (3, 'cls')
    """
    given = vars(args)
    full = all(key in given for key in defaults)
    typed = {k: v for k, v in given.items() if not (full and k in defaults and v == defaults[k])}
    config = load_config(given["config"]) if given.get("config") else {}
    return Namespace(**{**given, **merge_options(defaults, config, typed)})
