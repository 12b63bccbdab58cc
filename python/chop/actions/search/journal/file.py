"""The bytes of a journal: one line a record, synced where something is acknowledged, never torn for long.

Source: Optuna's ``JournalFileBackend``. It leaves a line that a kill or a full disk cut short, and glues the
next record to it, after which the file cannot be read; here every writer cuts such a line off first. Damage
anywhere else is told with the record's number, and nothing is written to such a file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from chop.actions.search.journal.lock import journal_lock
from chop.actions.search.journal.records import Damage, Ledger, summed_line
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)


class JournalFile(JournalFileBackend):
    """A journal that several processes append to.

    A record is written under the lock of the file. It is synced (fsync) before ``append_logs`` returns if it
    makes a study or a finished trial; what happens to a running trial is synced with its end.

    Args:
        path: made if it is not there; its folder must be.
        read_only: nothing is made, locked or mended.

    Raises:
        ConfigError: a folder, a file that may not be read, or one that is no journal.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._file_lock = journal_lock(path)
        self._gathered: list[dict[str, Any]] | None = None
        self._unread = 0
        self._ledger, self._number, self._offset = Ledger(), 0, 0
        self._last = (0, b"")  # the end of the file, and its last line, as this process knows them
        self._mended = read_only
        try:
            if not read_only:
                super().__init__(str(path), self._file_lock)
            path.open("rb").close()
        except (IsADirectoryError, PermissionError) as error:
            raise ConfigError(f"journal {str(path)!r} cannot be read: {error.strerror}") from None

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
        """Yield the records from that number on; inside :meth:`gathered` those that wait to be written.

        Raises:
            ConfigError: a record that is damaged or does not follow from those before it.
        """
        if self._gathered is not None:
            first, self._unread = self._unread, len(self._gathered)
            yield from self._gathered[first:]
            return
        if log_number_from < self._number:
            self._ledger, self._number, self._offset = Ledger(), 0, 0
        with self.path.open("rb") as file:
            room = file.seek(0, os.SEEK_END) - self._offset
            file.seek(self._offset)
            while room > 0 and (line := file.readline(room)).endswith(b"\n"):
                room -= len(line)
                try:
                    record = self._ledger.read(line)
                except Damage as damage:
                    raise ConfigError(self._damaged(damage)) from None
                self._number, self._offset = self._number + 1, self._offset + len(line)
                if self._number > log_number_from:
                    yield record
            if self._number == 0:
                _refuse_another_kind(file, self.path)
        if not self._mended:
            self._mended = True
            drop_torn_tail(self.path, self._file_lock)

    def _damaged(self, damage: Damage) -> str:
        what = f"record {self._number + 1} (line {self._number + 1}) {damage}"
        if self._number == 0:
            return f"{str(self.path)!r} is no Optuna journal: {what}; nothing is written to it"
        return (
            f"journal {str(self.path)!r}: {what}; nothing is written to it; "
            f"those before are whole: head -n {self._number} copies them into a new file"
        )

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
        with self.locked(), self.path.open("r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END) - _cut_torn_tail(file, self.path)
            line = self._last[1] if self._last[0] == end else _last_line(file, end)
            lines = b"".join(line := summed_line(log, line) for log in logs)
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
            self._last = (end + len(lines), line)


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
    keep = _end_of_line(file, size)
    if keep == size:
        return 0
    if keep == 0:
        _refuse_another_kind(file, path)
    file.truncate(keep)
    os.fsync(file.fileno())
    logger.warning(
        "%s ended in a torn record: %d bytes dropped, every whole trial is kept", path, size - keep
    )
    return int(size - keep)


def _end_of_line(file: Any, before: int, block: int = 1 << 16) -> int:
    """Where the last line that ends in the first ``before`` bytes ends; 0 where none does."""
    while before > 0:
        start = max(0, before - block)
        file.seek(start)
        newline = file.read(before - start).rfind(b"\n")
        if newline >= 0:
            return int(start + newline + 1)
        before = start
    return 0


def _last_line(file: Any, end: int) -> bytes:
    """The last line of the first ``end`` bytes, which end with one; nothing of an empty file."""
    start = _end_of_line(file, end - 1) if end else 0
    file.seek(start)
    return bytes(file.read(end - start))


def _refuse_another_kind(file: Any, path: Path) -> None:
    """Refuse a file without a whole record whose beginning is none: one that was named by mistake stays as it is."""
    file.seek(0)
    head = file.read(16).rstrip(b"\0")
    if not b'{"op_code":'.startswith(head[:11]):
        raise ConfigError(
            f"{str(path)!r} is no Optuna journal: line 1 is no record; nothing is written to it"
        )
