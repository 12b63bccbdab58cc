"""The progress bar of a study, with the best values so far beside it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from chop.actions.search.constraints import is_feasible

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective

SECONDS = 0.1  # between two looks at the front
DELAY = 0.5  # seconds in which there is nothing to watch; a run that is over by then is told in one line


class BestSoFar:
    """The front of the values seen so far, kept as they come.

    Args:
        names: of the objectives.
        directions: "maximize" or "minimize", or Optuna's own, for each of them.
        scales: what each value was multiplied by; it is shown without.

    >>> best = BestSoFar(["accuracy", "average_bitwidth"], ["maximize", "minimize"])
    >>> for values in ([0.5, 4.0], [0.7, 8.0], [0.4, 6.0]):
    ...     best.add(values)
    >>> str(best)
    'front 2, best accuracy 0.7, average_bitwidth 4'
    """

    def __init__(
        self, names: Sequence[str], directions: Sequence[Any], scales: Sequence[float] | None = None
    ) -> None:
        self.names = list(names)
        self._scales = [scale or 1.0 for scale in scales or [1.0] * len(self.names)]
        ways = [getattr(way, "name", str(way)).lower() for way in directions]
        self._signs = [-1.0 if way == "maximize" else 1.0 for way in ways]
        self.front: list[tuple[float, ...]] = []  # costs: smaller is better

    def add(self, values: Sequence[float]) -> None:
        """Take the values of one trial in; one with a NaN counts for nothing."""
        cost = tuple(sign * value for sign, value in zip(self._signs, values, strict=True))
        if any(map(math.isnan, cost)) or any(_no_worse(other, cost) for other in self.front):
            return
        self.front = [other for other in self.front if not _no_worse(cost, other)]
        self.front.append(cost)

    def __str__(self) -> str:
        if not self.front:
            return ""
        columns = zip(self._signs, self._scales, zip(*self.front, strict=True), strict=True)
        best = [sign * min(column) / scale for sign, scale, column in columns]
        words = ", ".join(f"{name} {value:.4g}" for name, value in zip(self.names, best, strict=True))
        return f"best {words}" if len(self.names) == 1 else f"front {len(self.front)}, best {words}"


def _no_worse(cost: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(cost, other, strict=True))


class Progress:
    """A bar of trials, which in a terminal or a notebook shows the best values too.

    Args:
        done, total: trials.
        best: takes the values in and says which are the best so far.
        silent: show nothing.
        workers: says what there is to say of those that measure.
    """

    def __init__(
        self,
        done: int,
        total: int,
        best: BestSoFar,
        silent: bool = False,
        workers: Callable[[], str] = str,
    ) -> None:
        from tqdm.auto import tqdm

        # Without a terminal (a log file) the bar is written rarely.
        interval = SECONDS if sys.stderr.isatty() else 2.0
        self._bar = tqdm(
            total=total,
            initial=min(done, total),
            desc="Search",
            unit="trial",
            mininterval=interval,
            disable=silent,
            delay=DELAY,
        )
        self.best = best
        self.silent, self._total, self._began = silent, total, time.monotonic()
        self._workers = workers
        self._waiting: list[Sequence[float]] = []
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._look()
        self._bar.close()
        if not self.silent and time.monotonic() - self._began < DELAY:
            words = f", {self.best}" if self.best.front else ""
            sys.stderr.write(f"Search: {self.n}/{self._total} trials{words}\n")

    @property
    def n(self) -> int:
        """Trials done."""
        return int(self._bar.n)

    def update(self, count: int = 1) -> None:
        """So many trials more are done."""
        self._bar.update(count)

    def seen(self, trials: Iterable[Any]) -> None:
        """Take the values of trials in; those that have none, or break a constraint, count for nothing."""
        self._waiting += [trial.values for trial in trials if trial.values is not None and is_feasible(trial)]
        if not self.silent and time.monotonic() >= self._next:
            self._look()

    def _look(self) -> None:
        """The front is looked at a few times a second, however short the trials are."""
        for values in self._waiting:
            self.best.add(values)
        self._waiting.clear()
        if not self.silent:
            words = ", ".join(word for word in (self._workers(), str(self.best)) if word)
            self._bar.set_postfix_str(words, refresh=False)
        self._next = time.monotonic() + SECONDS


def progress_of(objective: Objective, silent: bool = False) -> Callable[[int, int], Progress]:
    """Return what opens the progress bar of a study, given trials done and in all."""
    names, scales = list(objective.metrics), [table.scale for table in objective.metrics.values()]
    if objective.sum_scaled_metrics:
        names, scales = ["sum"], [1.0]
    workers = str if objective.workers is None else objective.workers.pool.words
    directions = objective.study_directions
    return lambda done, total: Progress(done, total, BestSoFar(names, directions, scales), silent, workers)
