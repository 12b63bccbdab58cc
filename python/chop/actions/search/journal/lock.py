"""A lock on a journal file that dies with its holder.

Optuna's own lock is a link beside the file: after a kill it stays, and the next run waits 30 seconds for it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from chop.tools.fork_lock import ForkLock


def journal_lock(path: Path) -> Any:
    """Return a lock with ``acquire()`` and ``release()``, as ``JournalFileBackend`` takes one.

    A thread that holds it may take it again. Where the system has no ``flock`` (Windows) it is Optuna's own.
    """
    try:
        import fcntl  # noqa: F401
    except ImportError:
        from optuna.storages.journal import JournalFileOpenLock

        return ReentrantLock(JournalFileOpenLock(str(path)))
    return ReentrantLock(KernelLock(path))


class KernelLock:
    """``flock`` on the journal itself; the kernel drops it when the process ends, however it ends.

    >>> import tempfile
    >>> lock = KernelLock(Path(tempfile.mkdtemp()) / "journal.log")
    >>> lock.acquire()
    True
    >>> lock.release()
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it; True."""
        import fcntl

        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class ReentrantLock:
    """Another lock, which the thread that holds it may take again; it must give it back as often."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._thread = ForkLock()
        self._depth = 0

    def acquire(self) -> bool:
        """Wait for the lock and take it; True."""
        self._thread.acquire()
        if self._depth == 0:
            try:
                self._lock.acquire()
            except BaseException:
                self._thread.release()
                raise
        self._depth += 1
        return True

    def release(self) -> None:
        """Give the lock back once."""
        self._depth -= 1
        try:
            if self._depth == 0:
                self._lock.release()
        finally:
            self._thread.release()
