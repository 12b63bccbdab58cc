"""Worker processes of one machine: started, watched, replaced when they die, stopped in time.

A worker is the same command once more, told by an environment variable that it is one. It stops by itself when
the process that started it is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from chop.actions.search.strategies.claims import Ledger
from chop.actions.search.strategies.shared_run import POLL_SECONDS, SharedStudy
from chop.tools.logger import get_logger

logger = get_logger(__name__)

ROLE = "CHOP_SEARCH_WORKER"
STOP_SECONDS = 2.0
MOST_DEATHS = 5  # in a row, without one finished trial
LOOK_SECONDS = 0.05


@dataclasses.dataclass(frozen=True)
class Role:
    """What a worker process was told: its name in the trials, and when to stop (seconds since 1970)."""

    name: str
    deadline: float | None


@functools.cache
def worker_role() -> Role | None:
    """Return this process's role; None for a process that the user started."""
    text = os.environ.pop(ROLE, None)
    if text is None:
        return None
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_stop_with_the_supervisor, daemon=True).start()
    return Role(**json.loads(text))


def _stop_with_the_supervisor() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    # The other end of standard input was closed: by the end of the process that held it.
    os.kill(os.getpid(), signal.SIGTERM)


@dataclasses.dataclass
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    errors: Any  # a file without a name

    def last_words(self) -> str:
        """The last line that the process wrote on standard error."""
        self.errors.seek(0)
        lines = [line for line in self.errors.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""


class Supervisor:
    """Keeps ``workers`` processes at work until the study is complete.

    Args:
        shared: the study.
        workers: how many processes, at least 1.
        command: what starts one.
        deadline: seconds since 1970; no trial starts after that.
        progress: called with the ledger every now and then.
    """

    def __init__(
        self,
        shared: SharedStudy,
        workers: int,
        command: Sequence[str],
        deadline: float | None,
        progress: Callable[[Ledger], None],
    ) -> None:
        self.shared, self.workers, self.command = shared, workers, list(command)
        self.deadline, self.progress = deadline, progress
        self._run = uuid.uuid4().hex[:6]
        self._children: list[_Child] = []
        self._started = 0
        self._deaths = 0
        self._done = 0
        self._next_look = 0.0

    def supervise(self) -> None:
        """Return when nothing is left to do.

        Raises:
            ChildProcessError: the workers keep dying.
            ConnectionError: the storage does not answer.
            KeyboardInterrupt: Ctrl-C; the workers are stopped then.
        """
        try:
            while self._look():
                time.sleep(LOOK_SECONDS)
        finally:
            self._stop()
            # Without the storage nothing can be put up again; the next run finds what was left.
            with contextlib.suppress(ConnectionError), self.shared.guarded():
                self.shared.claims.sweep(counts=False, limit=self.shared.limit)

    def _look(self) -> bool:
        """Replace dead workers, recover their trials; False when the study is complete."""
        died = self._reap()
        if not died and time.monotonic() < self._next_look:
            return True
        self._next_look = time.monotonic() + POLL_SECONDS
        with self.shared.guarded():
            self.shared.claims.sweep(limit=self.shared.limit)
            ledger = self.shared.claims.ledger()
        self.progress(ledger)
        limit = self.shared.limit
        done = len(ledger.done(limit))
        if done > self._done:
            self._done, self._deaths = done, 0
        self._deaths += len(died)
        if self._deaths >= MOST_DEATHS:
            raise ChildProcessError(
                f"the workers keep dying: {self._deaths} in a row without a finished trial, the last {died[-1]}"
            )
        claimable = ledger.claimable(limit)
        late = self.deadline is not None and time.time() > self.deadline
        if late:
            return bool(self._children)
        for _ in range(min(self.workers, claimable) - len(self._children)):
            self._start()
        return claimable > 0 or bool(ledger.in_state("RUNNING", limit))

    def _start(self) -> None:
        self._started += 1
        name = f"{self._run}-{self._started}"
        errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed when the worker has ended)
        role = {"name": name, "deadline": self.deadline}
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, **threads, ROLE: json.dumps(role)},
            start_new_session=True,  # Ctrl-C in a terminal reaches this process only
        )
        logger.debug("worker %s is process %d", name, process.pid)
        self._children.append(_Child(name, process, errors))

    def _reap(self) -> list[str]:
        """Take ended workers off the list; return how those died that did not end by themselves."""
        died = []
        for child in [child for child in self._children if child.process.poll() is not None]:
            self._children.remove(child)
            code = child.process.returncode
            if code != 0:
                died.append(_how(child, code))
                logger.warning("worker %s %s; another one takes its place", child.name, died[-1])
            self._close(child)
        return died

    def _stop(self) -> None:
        """End all workers within ``STOP_SECONDS``."""
        for child in self._children:
            child.process.terminate()
        limit = time.monotonic() + STOP_SECONDS
        for child in self._children:
            try:
                child.process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            self._close(child)
        self._children.clear()

    @staticmethod
    def _close(child: _Child) -> None:
        child.errors.close()
        if child.process.stdin is not None:
            with contextlib.suppress(OSError):
                child.process.stdin.close()


def _how(child: _Child, code: int) -> str:
    words = child.last_words()
    told = f" ({words})" if words else ""
    return f"was killed by signal {-code}{told}" if code < 0 else f"ended with exit code {code}{told}"
