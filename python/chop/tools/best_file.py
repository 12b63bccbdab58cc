"""``best.json`` of a search, read as the config that one of its trials stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)


def load_best(path: Path) -> dict[str, Any]:
    """Return ``{"passes": …}``, as ``ch transform`` takes it, of the first entry, or of entry N of ``best.json#N``.

    Raises:
        ConfigError: no such file or entry, or not what a search writes.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "best.json"
    >>> entry = {"number": 7, "sampled_config": {"by": "name", "default": {"config": {"name": None}}}}
    >>> _ = file.write_text(json.dumps({"0": entry}))
    >>> load_best(file)
    {'passes': {'quantize': {'by': 'name', 'default': {'config': {'name': None}}}}}
    >>> load_best(Path(f"{file}#1"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: ...best.json has no entry '1'; it has: 0
    """
    name, _, wanted = str(path).partition(".json#")
    file = Path(f"{name}.json") if wanted else path
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no config file {str(file)!r}") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot read config file {str(file)!r}: {reason}") from None
    if entries == {}:
        raise ConfigError(
            f"{file} holds no trial: the search found none that is complete and keeps its constraints"
        )
    if not isinstance(entries, dict) or not all(_is_entry(entry) for entry in entries.values()):
        raise ConfigError(
            f"{file}: a config is a .toml file, or the best.json of a search, and this is neither"
        )
    chosen = wanted or next(iter(entries))
    if chosen not in entries:
        raise ConfigError(f"{file} has no entry {chosen!r}; it has: {', '.join(entries)}")
    entry = entries[chosen]
    logger.info("%s: entry %s of %d, trial %s", file.name, chosen, len(entries), entry.get("number"))
    return {"passes": entry.get("passes") or {"quantize": entry["sampled_config"]}}


def _is_entry(entry: object) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("sampled_config"), Mapping)
