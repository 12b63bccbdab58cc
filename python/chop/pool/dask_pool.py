"""The pool on Dask: tasks, of which each worker process does one at a time.

The scheduler gives tasks out, notices workers that are gone and gives their tasks to others. Source: Dask distributed,
https://distributed.dask.org.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Generator, Iterable
from functools import partial
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
WAIT_SECONDS = 0.1  # for a result, between two looks at the workers
FETCH_SECONDS = 60.0  # until a result that does not come is waited for anew
LOOK_SECONDS = 1.0  # a look is a call of the scheduler
ALONE_SECONDS = 30.0  # without a worker; a nanny starts one anew in some seconds
MOST_TRIES = 4  # of an item whose workers were slow, each as many times as the scheduler allows
SETTINGS = {
    "distributed.scheduler.worker-ttl": "30s",  # after which a frozen worker's tasks go to others
}
_ADDRESS = re.compile(r"(tcp|tls|ucx|wss?)://\S+")
_Waiting = dict[Any, tuple[Any, int]]  # future -> its item, and how often it was tried


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
        self._next_look, self._alone_since = 0.0, 0.0

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
        send = partial(client.map, _task, source=source, function=name, pure=False, retries=0)
        waiting: _Waiting = {future: (item, 1) for future, item in zip(send(given), given, strict=True)}
        blamed: list[tuple[Any, int]] = []  # for the end of a worker, and how often they were tried
        lost: list[Item] = []
        reason = ""
        try:
            while waiting:
                for future, found in self._finished(waiting):
                    item, tries = waiting.pop(future)
                    if not isinstance(found, Exception):
                        yield item, _checked(found, wanted)
                    elif not isinstance(found, distributed.KilledWorker):
                        raise found
                    elif why := _why_lost(client, found, tries):
                        lost.append(item)
                        reason = why
                    else:
                        blamed.append((item, tries + 1))
                if blamed:  # one by one: then nothing else can have ended the worker
                    item, tries = blamed.pop(0)
                    waiting = {send([item])[0]: (item, tries)}
        finally:
            if waiting and client.status == "running":
                client.cancel(list(waiting))
        if lost:
            named = f"{', '.join(map(str, lost[:3]))}{', …' if len(lost) > 3 else ''}"
            raise LostItemsError([item for item in given if item in lost], f"{named}: {reason}")

    def _finished(self, waiting: _Waiting) -> Generator[tuple[Any, Any], None, None]:
        """Yield futures with what they hold, or with the exception that they failed with, as they come.

        Results are fetched here: what Dask's own iterator fetches it never yields where the worker of a result dies and
        the task then fails.
        """
        finished = distributed.as_completed(list(waiting), self._client.loop)
        while not finished.is_empty():
            self._look()
            if not finished.has_ready():
                with finished.thread_condition:
                    finished.thread_condition.wait(WAIT_SECONDS)
                continue
            future = next(finished)
            try:
                found = future.result(FETCH_SECONDS)
            except TimeoutError as error:
                if future.status != "error":  # its worker is gone, and there may be none to do the task again
                    finished.add(future)
                    continue
                found = error  # the task's own
            except distributed.CancelledError:
                raise ConnectionError(f"{self._where()} is gone; the same command goes on") from None
            except Exception as error:
                found = error
            yield future, found
            del future  # what nobody holds the cluster forgets

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
            self._next_look, self._alone_since = 0.0, time.monotonic()
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
        """Note which workers there are, once a second; where there has been none for long, start one or say so."""
        now = time.monotonic()
        if self._client is None or self._client.status != "running" or now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        self._now = set(self._client.scheduler_info().get("workers", ()))
        self._seen |= self._now
        if self._now:
            self._alone_since = now
        elif now - self._alone_since > ALONE_SECONDS:
            self._alone_since = now
            if self._local is not None:  # a nanny does not restart a worker that ended while it came up
                self._local.scale(len(self._local.worker_spec) + 1)
            logger.warning("%s has no worker: waiting for one", self._where())


def _has_bokeh() -> bool:
    import importlib.util

    return importlib.util.find_spec("bokeh") is not None


def _task(item: Any, source: tuple[str, str], function: str) -> Answer:
    worker = distributed.get_worker()
    return answer(f"{worker.name} at {worker.address}", source, function, item)


def _why_lost(client: Any, killed: Any, tries: int) -> str:
    """Say why an item is not tried again; empty where it is.

    Dask blames a task for the end of a worker that had another task, too, and of one that was ended because it was too
    slow to answer. The second says nothing about the item, the first little.
    """
    slow = {
        worker
        for event in _events(client, "scheduler", "worker-ttl-timed-out")
        for worker in event["workers"]
    }
    ended = [
        len(event["processing-tasks"])
        for event in _events(client, "all", "remove-worker")
        if killed.task in event["processing-tasks"] and event["worker"] not in slow
    ]
    times = killed.allowed_failures + 1
    if len(ended) >= times and 2 * ended.count(1) >= times:
        return f"the worker ended {times} times"
    return f"the worker ended or did not answer {times * tries} times" if tries >= MOST_TRIES else ""


def _events(client: Any, topic: str, action: str) -> list[dict[str, Any]]:
    found = [event for _, event in client.get_events(topic)]
    return [event for event in found if isinstance(event, dict) and event.get("action") == action]


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
