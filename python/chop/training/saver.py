"""Brings checkpoints and metrics.csv of the native engine to the disk, at most once a second.

A run that is killed in between goes on from an earlier epoch and comes to the same end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chop.training.checkpoints import save_checkpoint
from chop.training.history import History

_SECONDS = 1.0
BEST, LAST, METRICS = "best.ckpt", "last.ckpt", "metrics.csv"


class Saver:
    """Keeps the newest state of a run, and writes it now and then.

    Args:
        folder: where to; None keeps and writes nothing.
        history: whose rows go to metrics.csv.
    """

    def __init__(self, folder: Path | None, history: History) -> None:
        self._folder = folder
        self._history = history
        self._waiting: dict[str, dict[str, Any]] = {}
        self._written = float("-inf")

    def offer(self, content: Callable[[], dict[str, Any]], best: bool) -> None:
        """Take the state at the end of an epoch."""
        if self._folder is None:
            return
        made = content()
        # At once: Ctrl-C may come between any two lines.
        self._waiting.update({LAST: made, BEST: made} if best else {LAST: made})
        if time.monotonic() - self._written >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits; last.ckpt comes last, so it never tells of what the other files lack."""
        if self._folder is None or not self._waiting:
            return
        self._history.write(self._folder / METRICS)
        for name in (BEST, LAST):
            if name in self._waiting:
                save_checkpoint(self._folder / name, self._waiting[name])
                del self._waiting[name]  # not before: what a Ctrl-C interrupts is written at the end
        self._written = time.monotonic()
