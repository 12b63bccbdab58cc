"""The weights that trials trained: a file for each of the best, beside ``best.json``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.actions.search.constraints import is_feasible
from chop.search import pareto_front
from chop.tools.atomic_write import atomic_write
from chop.tools.best_file import SavedWeights
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from torch import nn

logger = get_logger(__name__)

FOLDER = "weights"
ATTRIBUTE = "weights"  # of a trial, and of an entry of best.json: file (relative to it) and sha256
DIGITS = 20


class TrainedWeights:
    """Holds what trials train until it is known which of them are worth a file.

    A file is written before its trial is in the journal, and its name follows from its content: whoever trains the same
    again, after a kill or on another machine, writes the same file. What a later trial dominates is deleted behind
    ``best.json``.

    Attributes:
        folder: where ``best.json`` will lie; None keeps nothing.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._held: dict[str, bytes] = {}
        self._front: list[tuple[float, ...]] = []

    def hold(self, model: nn.Module) -> dict[str, str]:
        """Take a trained model's weights, and return the attribute of its trial."""
        from chop.tools.mz_file import mz_payload

        payload = mz_payload(model)
        digest = hashlib.sha256(payload).hexdigest()
        if self.folder is not None:
            self._held[digest] = payload
        return {"file": _name(digest), "sha256": digest}

    def seen(self, trials: Iterable[Any], directions: Sequence[Any]) -> None:
        """Write the files of those trials that are among the best so far; the others' weights are forgotten."""
        for trial in trials:
            found = trial.user_attrs.get(ATTRIBUTE)
            if found is None or "repeat_of" in trial.user_attrs:
                continue
            payload = self._held.pop(found["sha256"], None)
            if self._joins_front(trial, directions) and payload is not None:
                self._write(found, payload)

    def write(self, attributes: Mapping[str, Any]) -> None:
        """Write the file of a trial at once, whatever it came to: for who does not see the others."""
        found = attributes.get(ATTRIBUTE)
        payload = None if found is None else self._held.pop(found["sha256"], None)
        if payload is not None:
            self._write(attributes[ATTRIBUTE], payload)

    def take(self, found: Mapping[str, str] | None) -> bytes | None:
        """Let go of what a trial trained, for another process; None where it trained nothing."""
        return None if found is None else self._held.pop(found["sha256"], None)

    def give(self, found: Mapping[str, str] | None, payload: bytes | None) -> None:
        """Hold what a trial trained in another process."""
        if found is not None and payload is not None and self.folder is not None:
            self._held[found["sha256"]] = payload

    def complete(
        self,
        entries: Iterable[Mapping[str, Any]],
        again: Callable[[Mapping[str, Any]], Mapping[str, Any] | None],
    ) -> None:
        """Train the weights of best trials anew whose file is not there: after a kill, or from another machine.

        Args:
            entries: of ``best.json``.
            again: trains an entry's trial and returns its attribute.

        Raises:
            ConfigError: the same trial trains to other weights here.
        """
        for entry in entries:
            found = entry.get(ATTRIBUTE)
            if self.folder is None or found is None or self._is_there(found):
                continue
            logger.info("trial %s is trained again: its weights are not in %s", entry["number"], self.folder)
            made = again(entry)
            if made != found:
                raise ConfigError(
                    f"trial {entry['number']}: {self.folder / found['file']} is missing, and training it again gives "
                    "other weights here: copy the file from where it was trained, or search in a new folder"
                )
            self._write(found, self._held.pop(found["sha256"]))

    def tidy(self, trials: Iterable[Any], entries: Iterable[Mapping[str, Any]]) -> None:
        """Delete the files of those trials of this study that are not among the best."""
        if self.folder is None:
            return
        best = {entry[ATTRIBUTE]["file"] for entry in entries if entry.get(ATTRIBUTE)}
        for trial in trials:
            found = trial.user_attrs.get(ATTRIBUTE)
            if found is not None and found["file"] not in best and found["file"] == _name(found["sha256"]):
                (self.folder / found["file"]).unlink(missing_ok=True)

    def _joins_front(self, trial: Any, directions: Sequence[Any]) -> bool:
        if trial.values is None or not is_feasible(trial):
            return False
        ways = [getattr(way, "name", str(way)).lower() for way in directions]
        rows = [*self._front, tuple(trial.values)]
        kept = pareto_front(np.array(rows, dtype=np.float64), ways)
        self._front = [rows[i] for i in kept]
        return len(rows) - 1 in kept

    def _is_there(self, found: Mapping[str, str]) -> bool:
        assert self.folder is not None
        try:
            SavedWeights(self.folder / found["file"], found["sha256"]).check()
        except ConfigError:
            return False
        return True

    def _write(self, found: Mapping[str, str], payload: bytes) -> None:
        if self.folder is not None and not self._is_there(found):
            atomic_write(self.folder / found["file"], payload)


def _name(digest: str) -> str:
    return f"{FOLDER}/{digest[:DIGITS]}.safetensors"
