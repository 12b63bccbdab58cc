"""The pool on Dask: tasks, of which each worker process does one at a time.

The scheduler gives tasks out, notices workers that are gone and gives their tasks to others. Source: Dask distributed,
https://distributed.dask.org.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dask
import distributed

from chop.pool.recipe import Item, LostItemsError, Recipe, Result, facts_of_process
from chop.pool.resident import Answer, answer, as_error
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 15  # to a scheduler; as long, too, until one that is gone is given up
SETTINGS = {
    "distributed.scheduler.worker-ttl": "30s",  # after which a frozen worker's tasks go to others
}
_ADDRESS = re.compile(r"(tcp|tls|ucx|wss?)://\S+")


class DaskPool:
    """Workers of a Dask cluster: started here and ended with the pool, or there already.

    Args:
        workers: processes to start on this machine, where there is no ``cluster``.
        cluster: address of a scheduler, such as ``tcp://HOST:8786``, or the path of its scheduler file.

    Raises:
        ConfigError: ``cluster`` is neither an address nor a file.
    """

    remote = True

    def __init__(self, workers: int, cluster: str | None = None) -> None:
        self._workers, self._cluster = workers, cluster
        if cluster is not None and not _ADDRESS.fullmatch(cluster) and not Path(cluster).is_file():
            raise ConfigError(
                f"cluster must be an address such as tcp://HOST:8786, or a scheduler file, got {cluster!r}"
            )
        self._client: Any = None
        self._local: Any = None
        self._seen: set[str] = set()
        self._now: set[str] = set()

    @property
    def at_once(self) -> int:
        """How many workers there are now; at least 1."""
        self._look()
        return max(1, len(self._now), self._workers)

    def run(
        self, function: Callable[[Any, Item], Result], recipe: Recipe, items: Iterable[Item]
    ) -> Generator[tuple[Item, Result], None, None]:
        """Yield each item and its result; see :class:`chop.pool.Pool`."""
        client, given = self._opened(), list(items)
        assert recipe.source is not None, "workers need a source"
        source = recipe.source.function, json.dumps(recipe.source.options)
        name = f"{function.__module__}:{function.__qualname__}"
        wanted = {**facts_of_process(), "model, rows or config": recipe.identity}
        # Without ``pure`` each call is a task of its own; user code that raises is not tried again.
        futures = client.map(_task, given, source=source, function=name, pure=False, retries=0)
        open_items = {future.key: item for future, item in zip(futures, given, strict=True)}
        lost: list[Item] = []
        try:
            finished = distributed.as_completed(futures, client.loop, with_results=True, raise_errors=False)
            del futures  # what nobody holds the cluster forgets
            for future, found in finished:
                item = open_items.pop(future.key)
                self._look()
                if future.status == "error":
                    if not isinstance(found[1], distributed.KilledWorker):
                        raise found[1]
                    lost.append(item)
                elif future.status != "finished":
                    raise ConnectionError(f"{self._where()} is gone; the same command goes on")
                else:
                    yield item, _checked(found, wanted)
        finally:
            if open_items and client.status == "running":
                client.cancel([distributed.Future(key, client) for key in open_items])
        if lost:
            tries = int(dask.config.get("distributed.scheduler.allowed-failures")) + 1
            raise LostItemsError(
                [item for item in given if item in lost],
                f"{', '.join(map(str, lost[:3]))}{', …' if len(lost) > 3 else ''}: the worker ended {tries} times",
            )

    def words(self) -> str:
        """How many workers there are, and how many were lost."""
        self._look()
        lost = len(self._seen - self._now)
        return f"{len(self._now)} workers{f', {lost} lost' if lost else ''}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
        if self._local is not None:
            self._local.close()
        self._client = self._local = None

    def _opened(self) -> Any:
        if self._client is None:
            dask.config.set(SETTINGS)
            logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it has to say, the errors say
            if self._cluster is None:
                self._local = distributed.LocalCluster(
                    n_workers=self._workers, threads_per_worker=1, processes=True, host=LOOPBACK, memory_limit=0,
                    dashboard_address=f"{LOOPBACK}:0", worker_dashboard_address=f"{LOOPBACK}:0",
                    silence_logs=logging.CRITICAL,
                )  # fmt: skip
            self._client = self._connected()
            self._tell()
        return self._client

    def _connected(self) -> Any:
        where: dict[str, Any] = {"timeout": CONNECT_SECONDS, "set_as_default": False}
        if self._local is not None:
            return distributed.Client(self._local, **where)
        assert self._cluster is not None
        is_file = not _ADDRESS.fullmatch(self._cluster)
        try:
            return distributed.Client(**{"scheduler_file" if is_file else "address": self._cluster}, **where)
        except (OSError, TimeoutError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConnectionError(f"{self._where()} does not answer: {reason}") from None

    def _tell(self) -> None:
        self._look()
        link = self._client.dashboard_link
        logger.info(
            "%s: %d workers%s", self._where(), len(self._now), f"; dashboard {link}" if _has_bokeh() else ""
        )

    def _where(self) -> str:
        return "the cluster of this command" if self._cluster is None else f"the scheduler at {self._cluster}"

    def _look(self) -> None:
        """Note which workers there are; the client is told every two seconds."""
        if self._client is not None:
            self._now = set(self._client.scheduler_info().get("workers", ()))
            self._seen |= self._now


def _has_bokeh() -> bool:
    import importlib.util

    return importlib.util.find_spec("bokeh") is not None


def _task(item: Any, source: tuple[str, str], function: str) -> Answer:
    worker = distributed.get_worker()
    return answer(f"{worker.name} at {worker.address}", source, function, item)


def _checked(found: Answer, wanted: dict[str, str]) -> Any:
    """Return the result of a worker that is like this process.

    Raises:
        RuntimeError: it is not, or it could not build the state.
        Exception: what the function raised there.
    """
    differing = [key for key, value in found.facts.items() if wanted[key] != value]
    if differing:
        what = ", ".join(f"{key} (there {found.facts[key]}, here {wanted[key]})" for key in differing)
        raise RuntimeError(
            f"worker {found.worker} is refused, it differs in {what}; the same command goes on"
        )
    if found.unbuilt:
        assert found.raised is not None
        raise RuntimeError(f"worker {found.worker} is refused: {found.raised[1]}; the same command goes on")
    if found.raised is not None:
        raise as_error(*found.raised)
    return found.result
