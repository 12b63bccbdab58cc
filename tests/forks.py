"""Programs that fork: run in a process of their own, and what their children do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable


def run(code: str, *, ends: int = 0, seconds: int = 300) -> str:
    """Run a program and return what it printed; it must end with the code ``ends``."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children hold the pipes, too
            raise
    assert process.returncode == ends, (process.returncode, out[-500:], err[-2000:])
    return out


def child(work: Callable[[], object], seconds: int = 60) -> None:
    """Do something in a forked child, which must end well and in time."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(seconds)
        try:
            work()
        except BaseException as error:
            sys.stdout.write(f"{error!r}\n")
            sys.stdout.flush()
            os._exit(3)
        os._exit(0)
    code = os.waitpid(pid, 0)[1]
    assert code == 0, code
