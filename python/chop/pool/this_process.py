"""The pool without workers: threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self

from chop.pool.recipe import Item, Recipe, Result

LOOK_SECONDS = 0.2  # whichever thread gets the signal, the one that waits sees Ctrl-C


class ThisProcess:
    """A pool of threads; with one, the caller's own.

    Args:
        threads: at least 1.

    >>> recipe = Recipe(here=10)
    >>> list(ThisProcess().run(lambda state, item: state + item, recipe, [1, 2]))
    [(1, 11), (2, 12)]
    """

    remote = False

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    @property
    def at_once(self) -> int:
        """The threads."""
        return self._threads

    def run(
        self, function: Callable[[Any, Item], Result], recipe: Recipe, items: Iterable[Item]
    ) -> Generator[tuple[Item, Result], None, None]:
        """Yield each item and its result; see :class:`chop.pool.Pool`."""
        given = list(items)
        if self._threads == 1 or len(given) <= 1:
            for item in given:
                yield item, function(recipe.here, item)
            return
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="pool")
        try:
            waiting: dict[Future[Result], Item] = {
                pool.submit(function, recipe.here, item): item for item in given
            }
            while waiting:
                done, _ = wait(waiting, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        except BaseException:
            if recipe.halt is not None:
                recipe.halt.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def words(self) -> str:
        """Nothing: there are no workers."""
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open."""
