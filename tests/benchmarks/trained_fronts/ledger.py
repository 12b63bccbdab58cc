"""What was measured so far, in one JSON file: a run that stopped goes on where it was, and two may share it."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chop.tools.atomic_write import atomic_write

KEY = ("case", "way", "seed", "settings")


class Ledger:
    """The content of a file: facts about the whole, and ``runs``, each with the keys of ``KEY`` and its figures.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def content(self) -> dict[str, Any]:
        """What the file holds now."""
        if not self.path.is_file():
            return {"runs": []}
        content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return content

    def has(self, case: str, way: str, seed: int, settings: dict[str, Any]) -> bool:
        """Whether this very run is there, with these settings."""
        return any(_key(run) == (case, way, seed, settings) for run in self.content["runs"])

    def add(self, run: dict[str, Any]) -> None:
        """Write the file with one run more; one of the same key gives way."""
        with self._changing() as content:
            content["runs"] = [other for other in content["runs"] if _key(other) != _key(run)] + [run]

    def note(self, **facts: Any) -> None:
        """Write the file with some facts about the whole; of a mapping the new keys are added."""
        with self._changing() as content:
            for name, fact in facts.items():
                merged = isinstance(fact, dict) and isinstance(content.get(name), dict)
                content[name] = content[name] | fact if merged else fact

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = self.content
            yield content
            atomic_write(self.path, json.dumps(content, indent=1) + "\n")


def _key(run: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(run[name] for name in KEY)
