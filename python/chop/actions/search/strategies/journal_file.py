"""The bytes of a journal: one line a record, synced where something is acknowledged, never torn for long.

Source: Optuna's ``JournalFileBackend``. It leaves a line that a kill or a full disk cut short, and glues the
next record to it, after which the file cannot be read; here every writer cuts such a line off first.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from chop.actions.search.strategies.journal_lock import journal_lock
from chop.tools.logger import get_logger

logger = get_logger(__name__)


class JournalFile(JournalFileBackend):
    """A journal that several processes append to.

    A record is written under the lock of the file. It is synced (fsync) before ``append_logs`` returns if it
    makes a study or a finished trial; what happens to a running trial is synced with its end.

    Args:
        path: made if it is not there; its folder must be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file_lock = journal_lock(path)
        self._gathered: list[dict[str, Any]] | None = None
        self._unread = 0
        super().__init__(str(path), self._file_lock)
        drop_torn_tail(path, self._file_lock)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes inside this block."""
        self._file_lock.acquire()
        try:
            yield
        finally:
            self._file_lock.release()

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """What is appended inside this block is written at its end, at once; nothing of it after an exception.

        For who holds the lock and has read all that is in the file.
        """
        logs = self._gathered = []
        try:
            yield
        finally:
            self._gathered, self._unread = None, 0
        self.append_logs(logs)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the records from that number on; inside :meth:`gathered` those that wait to be written."""
        if self._gathered is None:
            yield from super().read_logs(log_number_from)
            return
        first, self._unread = self._unread, len(self._gathered)
        yield from self._gathered[first:]

    def size(self) -> int:
        """Bytes in the file."""
        return self.path.stat().st_size

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write the records after the last whole line.

        Raises:
            OSError: a full disk and the like; the file is then as it was before.
        """
        if self._gathered is not None:
            self._gathered += logs
            return
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with self.locked(), self.path.open("r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END) - _cut_torn_tail(file, self.path)
            file.seek(end)
            try:
                written = 0
                while written < len(lines):
                    written += file.write(lines[written:]) or 0
                if any(map(_acknowledges, logs)):
                    os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise


def _acknowledges(log: dict[str, Any]) -> bool:
    """True for all but changes of a running trial and its start (states: 0 running, 4 waiting)."""
    if "state" in log:
        return log["state"] not in (0, 4)
    return "trial_id" not in log


def drop_torn_tail(path: Path, lock: Any = None) -> int:
    """Cut a last record that was not written to its end (full disk, kill); return the bytes dropped.

    >>> import tempfile
    >>> log = Path(tempfile.mkdtemp()) / "j.log"
    >>> _ = log.write_bytes(b'{"op_code":0}' + bytes([10]) + b'{"op_co')
    >>> drop_torn_tail(log), log.read_bytes()
    (7, b'{"op_code":0}\\n')
    """
    if not path.exists():
        return 0
    lock = lock or journal_lock(path)
    lock.acquire()
    try:
        with path.open("r+b", buffering=0) as file:
            return _cut_torn_tail(file, path)
    finally:
        lock.release()


def _cut_torn_tail(file: Any, path: Path) -> int:
    size = file.seek(0, os.SEEK_END)
    keep, block = size, 1 << 16
    while keep > 0:
        start = max(0, keep - block)
        file.seek(start)
        newline = file.read(keep - start).rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep == size:
        return 0
    file.truncate(keep)
    os.fsync(file.fileno())
    logger.warning(
        "%s ended in a torn record: %d bytes dropped, every whole trial is kept", path, size - keep
    )
    return int(size - keep)
