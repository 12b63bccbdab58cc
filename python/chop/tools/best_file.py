"""``best.json`` of a search: its trials, the configs that they stand for and the weights that they trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.tools.config_arrays import read_named_arrays
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from torch import nn

logger = get_logger(__name__)
JOURNAL_NAME = "study_journal.log"
AGAIN = "the same search writes it anew"


@dataclass(frozen=True)
class SavedFile:
    """A file that an entry of ``best.json`` names.

    Attributes:
        path: the file.
        sha256: of all its bytes, 64 hexadecimal digits; None: whatever it holds.
        what: what it holds, for messages.
    """

    path: Path
    sha256: str | None
    what: str = "learned formats"

    def check(self) -> None:
        """Raise ConfigError where the file is missing, or is not the one that was meant."""
        try:
            found = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"{self.what} {self.path}: {error.strerror}; {AGAIN}") from None
        if self.sha256 is not None and found != self.sha256:
            raise ConfigError(
                f"{self.what} {self.path} were changed or are damaged: their SHA-256 is not the one noted; {AGAIN}"
            )


@dataclass(frozen=True)
class SavedWeights(SavedFile):
    """Trained weights, as ``chop.tools.checkpoint_load.load_model`` reads them."""

    what: str = "trained weights"

    def load_into(self, model: nn.Module) -> None:
        """Put the weights into a model of the same names and shapes, in place; raises ConfigError."""
        from chop.tools.checkpoint_load import load_model

        self.check()
        load_model(self.path, None, model)


@dataclass(frozen=True)
class BestTrial:
    """One entry of a ``best.json``.

    Attributes:
        file: the file.
        key: of the entry, "0" for the first.
        entries: how many the file has.
        entry: its content.
    """

    file: Path
    key: str
    entries: int
    entry: Mapping[str, Any]

    @property
    def number(self) -> Any:
        """Of the trial in its study."""
        return self.entry.get("number")

    @property
    def passes(self) -> dict[str, Any]:
        """``[passes]`` of ``ch transform``: what was redefined, the trained weights, the quantization."""
        passes = dict(self.entry.get("passes") or {"quantize": self.config})
        if self.weights is None:
            return passes
        first = {name: passes.pop(name) for name in ("redefine",) if name in passes}
        return {
            **first,
            "load_weights": {"load_name": str(self.weights.path), "sha256": self.weights.sha256},
            **passes,
        }

    @property
    def weights(self) -> SavedWeights | None:
        """What the trial trained; None where it has the model's own weights.

        Raises:
            ConfigError: an entry that does not say which file.
        """
        found = self._named("weights")
        return None if found is None else SavedWeights(self.file.parent / found["file"], found["sha256"])

    @property
    def config(self) -> Mapping[str, Any]:
        """The quantization config, with the numbers of the arrays that it names.

        Raises:
            ConfigError: the file of its formats is missing or was changed.
        """
        found = self._named("formats")
        if found is not None:
            SavedFile(self.file.parent / found["file"], found["sha256"]).check()
        config: Mapping[str, Any] = read_named_arrays(self.entry["sampled_config"], self.file.parent)
        return config

    def _named(self, key: str) -> Mapping[str, str] | None:
        """File and SHA-256 under a key of the entry; None where it has none."""
        found = self.entry.get(key)
        if found is None:
            return None
        if not isinstance(found, Mapping) or not all(
            isinstance(found.get(n), str) for n in ("file", "sha256")
        ):
            raise ConfigError(
                f"{self.file}: {key} of entry {self.key} must be a table of file and sha256, got {found!r}"
            )
        return found


def names_best(path: str | Path) -> bool:
    """Return whether a name is of a JSON file, with or without the ``#N`` of an entry.

    >>> names_best("best.json#2"), names_best("a.toml")
    (True, False)
    """
    return Path(path).suffix == ".json" or ".json#" in Path(path).name


def file_of(path: str | Path) -> Path:
    """Return the file that ``best.json#N`` names.

    >>> str(file_of("a/best.json#2"))
    'a/best.json'
    """
    name, mark, _ = str(path).partition(".json#")
    return Path(f"{name}.json") if mark else Path(path)


def read_best(path: str | Path, trial: str | None = None) -> BestTrial:
    """Return an entry of a ``best.json``: the first, entry N of ``best.json#N``, or that of the trial with a number.

    Raises:
        ConfigError: no such file, entry or trial, not what a search writes, or an entry that was changed since.
    """
    file, wanted = file_of(path), str(path).partition(".json#")[2]
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
    if trial is not None:
        numbers = {str(entry.get("number")): key for key, entry in entries.items()}
        if trial.strip() not in numbers:
            raise ConfigError(f"--trial must be one of {', '.join(numbers)} ({file}), got {trial!r}")
        chosen = numbers[trial.strip()]
    if chosen not in entries:
        numbered = [key for key, entry in entries.items() if str(entry.get("number")) == chosen]
        hint = f"; trial {chosen} is entry {numbered[0]}" if numbered else ""
        raise ConfigError(f"{file} has no entry {chosen!r}; it has: {', '.join(entries)}{hint}")
    entry = entries[chosen]
    refuse_changed(file, chosen, entry)
    return BestTrial(file, chosen, len(entries), entry)


def load_best(path: Path) -> dict[str, Any]:
    """Return ``{"passes": …}``, as ``ch transform`` takes it, of the first entry, or of entry N of ``best.json#N``.

    Raises:
        ConfigError: as :func:`read_best`.

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
    found = read_best(path)
    logger.info("%s: entry %s of %d, trial %s", found.file.name, found.key, found.entries, found.number)
    return read_named_arrays({"passes": found.passes}, found.file.parent)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("sampled_config"), Mapping)


def refuse_changed(file: Path, key: object, entry: Mapping[str, Any]) -> None:
    """Refuse an entry whose metrics stand in the journal beside its file, while its config or weights do not.

    The file has MASE's columns and no room for a sum; every record of the journal has one.

    Raises:
        ConfigError: a flipped digit, or a change by hand.
    """
    journal = file.with_name(JOURNAL_NAME)
    metrics = entry.get("software_metrics")
    if not metrics or not journal.is_file():
        return
    records = journal.read_bytes()
    used = {
        name: entry[name] for name in ("sampled_config", "passes", "weights", "formats") if entry.get(name)
    }
    missing = [name for name, value in used.items() if _compact(value) not in records]
    if missing and _compact(metrics) in records:
        raise ConfigError(
            f"{file}: {missing[0]} of entry {key} is not what {journal.name} beside it says of this trial: the file "
            "was changed or is damaged; the same search writes it anew; a config of your own goes into a TOML file"
        )


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
