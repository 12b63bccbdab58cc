"""``best.json`` of a search, read as the config that one of its trials stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chop.tools.config_arrays import read_named_arrays
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)
JOURNAL_NAME = "study_journal.log"


def load_best(path: Path) -> dict[str, Any]:
    """Return ``{"passes": …}``, as ``ch transform`` takes it, of the first entry, or of entry N of ``best.json#N``.

    Raises:
        ConfigError: no such file or entry, not what a search writes, or an entry that was changed since.

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
    refuse_changed(file, chosen, entry)
    logger.info("%s: entry %s of %d, trial %s", file.name, chosen, len(entries), entry.get("number"))
    return read_named_arrays(
        {"passes": entry.get("passes") or {"quantize": entry["sampled_config"]}}, file.parent
    )


def _is_entry(entry: object) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("sampled_config"), Mapping)


def refuse_changed(file: Path, key: object, entry: Mapping[str, Any]) -> None:
    """Refuse an entry whose metrics stand in the journal beside its file, while its config does not.

    The file has MASE's columns and no room for a sum; every record of the journal has one.

    Raises:
        ConfigError: a flipped digit, or a change by hand.
    """
    journal = file.with_name(JOURNAL_NAME)
    metrics = entry.get("software_metrics")
    if not metrics or not journal.is_file():
        return
    records = journal.read_bytes()
    used = {name: entry[name] for name in ("sampled_config", "passes") if entry.get(name)}
    missing = [name for name, value in used.items() if _compact(value) not in records]
    if missing and _compact(metrics) in records:
        raise ConfigError(
            f"{file}: {missing[0]} of entry {key} is not what {journal.name} beside it says of this trial: the file "
            "was changed or is damaged; the same search writes it anew; a config of your own goes into a TOML file"
        )


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
