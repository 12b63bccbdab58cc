"""Optuna's tables in SQLite and PostgreSQL, safe for several processes and synced where it counts.

A trial that is finished is on disk when the call returns. Everything before that is committed without waiting
for the disk: both databases keep the order of commits, so it is on disk before the end of the trial is, and it
is lost only together with the machine.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import sqlalchemy
from optuna.storages import RDBStorage, get_storage
from optuna.trial import TrialState

CONNECT_SECONDS = 10
LOCK_SECONDS = 60  # SQLite: how long a process waits for the others
TRIES = 5


class Database(RDBStorage):
    """Optuna's storage with one wait for the disk a trial.

    Args:
        url: SQLAlchemy's, driver included.
        kind: "sqlite" or "postgresql".
    """

    def __init__(self, url: str, kind: str) -> None:
        self._this_thread = threading.local()
        sqlite = kind == "sqlite"
        wait = {"timeout": LOCK_SECONDS} if sqlite else {"connect_timeout": CONNECT_SECONDS}
        super().__init__(url, engine_kwargs={"connect_args": wait})
        if sqlite:
            sqlalchemy.event.listen(self.engine, "connect", _open_sqlite)
        sqlalchemy.event.listen(
            self.engine, "begin", self._begin_sqlite if sqlite else self._begin_postgresql
        )
        self.engine.dispose()  # connections made before keep their own way

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Any = None) -> bool:
        """Change a trial's state; a finished one is on disk afterwards."""
        self._this_thread.wait = state.is_finished()
        try:
            return bool(super().set_trial_state_values(trial_id, state, values))
        finally:
            self._this_thread.wait = False

    def _begin_sqlite(self, connection: Any) -> None:
        level = "FULL" if getattr(self._this_thread, "wait", False) else "NORMAL"
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
        # Optuna reads a trial's state and then writes it; without the lock two processes may both read
        # "waiting".
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _begin_postgresql(self, connection: Any) -> None:
        if not getattr(self._this_thread, "wait", False):
            connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")


def _open_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say
    # Under write-ahead logging a commit is one wait for the disk instead of three, or none.
    connection.execute("PRAGMA journal_mode=WAL")


def open_database(url: str, kind: str) -> Any:
    """Return Optuna's cached storage on a database, its tables made if they are not there."""
    for left in reversed(range(TRIES)):
        try:
            return get_storage(Database(url, kind))
        except Exception as error:
            # Two processes that make the tables at the same time: one of them is refused and looks again.
            if left == 0 or not _tables_made_twice(error):
                raise
            time.sleep(0.3)
    raise AssertionError("the loop returns or raises")


def _tables_made_twice(error: Exception) -> bool:
    text = str(error).lower()
    return any(words in text for words in ("already exists", "duplicate key", "unique constraint", "locked"))
