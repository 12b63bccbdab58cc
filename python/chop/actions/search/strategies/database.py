"""Optuna's tables in SQLite and PostgreSQL, safe for several processes."""

from __future__ import annotations

import time
from typing import Any

from chop.actions.search.strategies.storage import CONNECT_SECONDS, LOCK_SECONDS

TRIES = 5


def open_database(url: str, kind: str) -> Any:
    """Return Optuna's cached storage on a database.

    Args:
        url: SQLAlchemy's, driver included.
        kind: "sqlite" or "postgresql".
    """
    from optuna.storages import RDBStorage, get_storage

    if kind == "sqlite":
        arguments: dict[str, Any] = {"timeout": LOCK_SECONDS}
    else:
        arguments = {"connect_timeout": CONNECT_SECONDS}
    for left in reversed(range(TRIES)):
        try:
            storage = RDBStorage(url, engine_kwargs={"connect_args": arguments})
            break
        except Exception as error:
            # Two processes that make the tables at the same time: one of them is refused and looks again.
            if left == 0 or not _tables_made_twice(error):
                raise
            time.sleep(0.3)
    if kind == "sqlite":
        _take_the_lock_first(storage.engine)
    return get_storage(storage)


def _tables_made_twice(error: Exception) -> bool:
    text = str(error).lower()
    return any(words in text for words in ("already exists", "duplicate key", "unique constraint", "locked"))


def _take_the_lock_first(engine: Any) -> None:
    """Begin every transaction with SQLite's write lock.

    Optuna reads a trial's state and then writes it; without the lock two processes may both read "waiting".
    """
    import sqlalchemy

    @sqlalchemy.event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections made before keep their own way
