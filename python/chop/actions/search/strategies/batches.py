"""Trials in batches, for samplers that know many points before the first of them is measured.

Such a sampler has ``ask(number, most, directions)``, which returns the points of trials ``number``, … (lists of
indexes; none where the study is complete), and ``tell(trial, directions)``; also ``system_attributes`` where those
trials are to have some.
The study is the same as one trial by trial: batches share the work of equal first layers in the evaluator, and the
writing; trials that train do so in threads, and are kept as they finish, in their order.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from chop.actions.search.journal.recording import Recorder

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from chop.actions.search.objective import Objective

BATCH_SECONDS = 0.25  # Ctrl-C and the time-out work between batches
MOST_TRIALS = 1024
MOST_AT_FIRST = 24  # the guess may be wrong
GROWTH = 16
FOR_EACH_THREAD = 4  # trials of a batch: threads without work wait for its last one


class Pace:
    """How many trials to measure at once.

    Args:
        first: trials of the first batch.
        least: trials of the others, however long they take.

    >>> pace = Pace(1)
    >>> pace.took(1, seconds=0.05)
    >>> pace.size
    5
    """

    def __init__(self, first: int, least: int = 1) -> None:
        self.size, self._least = max(1, min(first, MOST_AT_FIRST)), least
        self._each = 0.0

    def took(self, measured: int, seconds: float) -> None:
        """Learn from a batch in which so many trials were measured; repeated ones take no time and tell nothing."""
        if measured == 0:
            return
        self._each = seconds / measured
        fitting = int(BATCH_SECONDS / max(self._each, 1e-9))
        self.size = max(self._least, min(fitting, MOST_TRIALS, self.size * GROWTH))

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
        keep: receives the trials of a batch and their outcomes as they are there, all of them before the next one
            starts.
    """
    least = FOR_EACH_THREAD * objective.at_once if objective.at_once > 1 else 1
    recorder, pace = Recorder(lengths), Pace(objective.first_batch, least)
    begin, number = time.monotonic(), trials.start
    while number < trials.stop:
        left = None if timeout is None else begin + timeout - time.monotonic()
        if left is not None and left < 0:
            return
        started, measured = time.perf_counter(), 0
        # Models of their own share no work, and one that is refused says nothing about how long training takes.
        most = min(pace.within(left), least) if objective.own_models else pace.within(left)
        points = sampler.ask(number, min(trials.stop - number, most), directions)
        if not points:
            return
        batch = [dict(zip(lengths, point, strict=True)) for point in points]
        attributes = getattr(sampler, "system_attributes", {})
        waiting = iter(batch)
        with closing(objective.measure_parts(batch, number)) as parts:
            began = datetime.datetime.now()
            for outcomes in parts:
                share = (datetime.datetime.now() - began) / len(outcomes)
                finished = [
                    recorder.trial(
                        number + i, indexes, outcome, (began + i * share, began + (i + 1) * share), attributes
                    )
                    for i, (outcome, indexes) in enumerate(zip(outcomes, waiting, strict=False))
                ]
                keep(finished, outcomes)
                for trial in finished:
                    sampler.tell(trial, directions)
                number += len(finished)
                measured += sum(outcome.repeat_of is None for outcome in outcomes)
                began = datetime.datetime.now()
        pace.took(measured, time.perf_counter() - started)
