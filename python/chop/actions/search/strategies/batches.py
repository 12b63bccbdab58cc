"""Trials in batches, for samplers that know many points before the first of them is measured.

Such a sampler has ``ask(number, most, directions)``, which returns the points of trials ``number``, … (lists of
indexes, at least one), and ``tell(trial, directions)``; also ``system_attributes`` where those trials are to have some.
The study is the same as one trial by trial: batches share the work of equal first layers in the evaluator, and the
writing.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chop.actions.search.strategies.recording import Recorder

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from chop.actions.search.objective import Objective

BATCH_SECONDS = 0.25  # Ctrl-C and the time-out work between batches
MOST_TRIALS = 1024
MOST_AT_FIRST = 24  # the guess may be wrong
GROWTH = 16


class Pace:
    """How many trials to measure at once.

    Args:
        first: trials of the first batch.

    >>> pace = Pace(1)
    >>> pace.took(1, seconds=0.05)
    >>> pace.size
    5
    """

    def __init__(self, first: int) -> None:
        self.size = max(1, min(first, MOST_AT_FIRST))
        self._each = 0.0

    def took(self, measured: int, seconds: float) -> None:
        """Learn from a batch in which so many trials were measured; repeated ones take no time and tell nothing."""
        if measured == 0:
            return
        self._each = seconds / measured
        fitting = int(BATCH_SECONDS / max(self._each, 1e-9))
        self.size = max(1, min(fitting, MOST_TRIALS, self.size * GROWTH))

    def within(self, seconds: float | None) -> int:
        """Return the size of a batch that about ends before so many seconds are over; at least 1."""
        if seconds is None or self._each == 0.0:
            return self.size
        return max(1, min(self.size, int(seconds / self._each)))


def run_in_batches(
    sampler: Any,
    objective: Objective,
    lengths: dict[str, int],
    trials: range,
    directions: Sequence[Any],
    timeout: float | None,
    keep: Callable[[list[FrozenTrial], list[Any]], None],
) -> None:
    """Measure trials until all are done or the time is up.

    Args:
        sampler: has ``ask`` and ``tell``; the trials before the first were told.
        objective: measures points.
        lengths: parameter -> number of choices (more than one).
        trials: numbers of the trials to run.
        directions: of the study.
        timeout: seconds; no batch starts after that.
        keep: receives each batch, trials and outcomes, before the next one starts.
    """
    recorder, pace = Recorder(lengths), Pace(objective.first_batch)
    begin, number = time.monotonic(), trials.start
    while number < trials.stop:
        left = None if timeout is None else begin + timeout - time.monotonic()
        if left is not None and left < 0:
            return
        began, started = datetime.datetime.now(), time.perf_counter()
        # Models of their own share no work, and one that is refused says nothing about how long training takes.
        most = 1 if objective.own_models else pace.within(left)
        points = sampler.ask(number, min(trials.stop - number, most), directions)
        batch = [dict(zip(lengths, point, strict=True)) for point in points]
        outcomes = objective.measure_many(batch, number)
        share = datetime.timedelta(seconds=(time.perf_counter() - started) / len(batch))
        attributes = getattr(sampler, "system_attributes", {})
        finished = [
            recorder.trial(
                number + i, indexes, outcome, (began + i * share, began + (i + 1) * share), attributes
            )
            for i, (indexes, outcome) in enumerate(zip(batch, outcomes, strict=True))
        ]
        keep(finished, outcomes)
        for trial in finished:
            sampler.tell(trial, directions)
        number += len(batch)
        measured = sum(outcome.repeat_of is None for outcome in outcomes)
        pace.took(measured, time.perf_counter() - started)
