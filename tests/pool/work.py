"""What the tests of the pools have done: functions that workers find by their names."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any


def build(options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if "refuses" in options:
        raise ValueError(options["refuses"])
    return dict(options), str(options.get("identity", "same"))


def double(state: dict[str, Any], item: int) -> int:
    time.sleep(state.get("seconds", 0.0))
    return 2 * item


def threads(state: dict[str, Any], item: int) -> tuple[int, str | None]:
    import torch

    return torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")


def raises(state: dict[str, Any], item: int) -> int:
    with Path(state["log"]).open("a") as log:
        log.write(f"{item}\n")
    raise KeyError(f"no {item}")


def late(state: dict[str, Any], item: int) -> int:
    """User code that waited for something in vain."""
    raise TimeoutError(f"no answer to {item}")


def deadly(state: dict[str, Any], item: int) -> int:
    """Ends or freezes its worker: for one item each time, or once where a file says so."""
    once = state.get("once")
    if item == state["kills"] and not (once and Path(once).exists()):
        if once:
            Path(once).touch()
        os.kill(os.getpid(), signal.Signals[state.get("by", "SIGKILL")])
    return item


def deadly_again(state: dict[str, Any], item: int) -> int:
    """Returns what it was given, and ends its worker where it is asked for the same item again."""
    once = Path(f"{state['once']}-{item}")
    if once.exists():
        os.kill(os.getpid(), signal.SIGKILL)
    once.touch()
    return item
