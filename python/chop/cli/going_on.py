"""What to type after Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def how_to_go_on(action: str | None, options: Any, software: Path | None) -> str:
    """Return how a run that was stopped goes on, as the end of a sentence.

    Args:
        action: of ch; None for a command beside them. options: of the run; None before they were read.
        software: the project's folder; None while nothing could be written yet.

    >>> how_to_go_on("search", None, None)
    'nothing was written'
    """
    if action is None or software is None or options is None:
        return "nothing was written"
    if action == "search" and options.compare is None and _keeps_a_study(options):
        return "the same command goes on"
    if action == "train" and (options.grid is not None or options.learn_widths is not None):
        return "the same command goes on"
    if action == "train" and (software / "training_ckpts" / "last.ckpt").is_file():
        return "the same command with --resume goes on" if not options.resume else "the same command goes on"
    return "the same command begins again"


def _keeps_a_study(options: Any) -> bool:
    return bool(options.storage != "memory")
