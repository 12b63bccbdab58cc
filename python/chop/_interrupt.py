"""Ctrl-C while ``ch`` is still importing: one line instead of a traceback. It changes nothing in other programs."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

_LINE = b"ch: interrupted: nothing was written\n"
EXIT_CODE = 130


def is_ch() -> bool:
    """Whether this process is ``ch`` or ``python -m chop``, as far as can be seen while the package is imported."""
    if not sys.argv:
        return False
    name = os.path.basename(sys.argv[0])  # noqa: PTH119  before anything else is imported
    if name == "-m":
        words = list(getattr(sys, "orig_argv", []))
        return "-m" in words and words[words.index("-m") + 1 :][:1] == ["chop"]
    return name in ("ch", "ch.exe")


def quiet_while_importing() -> None:
    """Take Ctrl-C over until :func:`restore`, where this is ``ch`` and nobody else has."""
    if not is_ch() or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def restore() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, _LINE)
    os._exit(EXIT_CODE)
