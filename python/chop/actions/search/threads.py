"""Calls in several threads whose results come in the order of their arguments."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


def in_order(
    call: Callable[[Given], Found], items: Sequence[Given], threads: int, halt: threading.Event
) -> Generator[list[Found], None, None]:
    """Yield the results of calls, in order, in pieces: those that are there as soon as the next one is.

    What a call raises is raised in its place, after the results before it. Whatever ends the generator early, Ctrl-C
    or closing it, sets ``halt``, starts no further call and waits for those that run.

    Args:
        call: run in ``threads`` threads at once, each with one thread of torch; of one thread or item: in the caller's.
        items: its arguments.
        threads: 1 or more.
        halt: what calls look at to end early.

    >>> list(in_order(abs, [-1, -2], 1, threading.Event()))
    [[1], [2]]
    >>> [found for part in in_order(abs, [-1, -2, -3], 2, threading.Event()) for found in part]
    [1, 2, 3]
    """
    if threads == 1 or len(items) <= 1:
        for item in items:
            yield [call(item)]
        return
    from chop.training.scores import one_thread

    with one_thread():  # before the threads are there: torch hands the number down
        pool = ThreadPoolExecutor(threads, thread_name_prefix="trial")
        try:
            futures = deque(pool.submit(call, item) for item in items)
            while futures:
                while not futures[0].done():
                    wait((futures[0],), timeout=0.1)  # whichever thread gets the signal, this one sees Ctrl-C
                part = [futures.popleft().result()]
                while futures and _succeeded(futures[0]):
                    part.append(futures.popleft().result())
                yield part
        except BaseException:
            halt.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _succeeded(future: Future[Found]) -> bool:
    return future.done() and future.exception() is None
