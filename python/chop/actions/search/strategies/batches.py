"""Trials in batches, for samplers that know many points before the first of them is measured.

Such a sampler has ``ask(number, most, directions)``, which returns the points of trials ``number``, … (lists of
indexes; none where the study is complete), and ``tell(trial, directions)``; also ``system_attributes`` where those
trials are to have some. One with ``whole = True`` sets the batches itself: they are kept and told as a whole.
The study is the same as one trial by trial: batches share the work of equal first layers in the evaluator, and the
writing; trials that train do so in threads, and are kept as they finish, in their order.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
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
WIDER_FOR_WORKERS = 8  # batches that are sent take seconds, so that workers seldom wait
FOR_EACH_THREAD = 4  # trials of a batch: threads without work wait for its last one


class Pace:
    """How many trials to measure at once.

    Args:
        first: trials of the first batch.
        least: trials of the others, however long they take.
        wide: how many times the usual seconds a batch may take.

    >>> pace = Pace(1)
    >>> pace.took(1, seconds=0.05)
    >>> pace.size
    5
    """

    def __init__(self, first: int, least: int = 1, wide: int = 1) -> None:
        self.size, self._least = max(1, min(first, MOST_AT_FIRST)), least
        self._seconds = BATCH_SECONDS * wide
        self._each = 0.0

    def took(self, measured: int, seconds: float) -> None:
        """Learn from a batch in which so many trials were measured; repeated ones take no time and tell nothing."""
        if measured == 0:
            return
        self._each = seconds / measured
        fitting = int(self._seconds / max(self._each, 1e-9))
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
    remote, whole = objective.workers is not None, getattr(sampler, "whole", False)
    pace = Pace(objective.first_batch, least, WIDER_FOR_WORKERS if remote else 1)
    recorder, begin, number = Recorder(lengths), time.monotonic(), trials.start
    while number < trials.stop:
        left = None if timeout is None else begin + timeout - time.monotonic()
        if left is not None and left < 0:
            return
        started, most = time.perf_counter(), trials.stop - number
        if not whole:
            # Models of their own share no work, and one that is refused says nothing about how long training takes.
            most = min(most, pace.within(left), least if objective.own_models else most)
        points = sampler.ask(number, most, directions)
        if not points:
            return
        measured, waiting = 0, []
        for finished, outcomes in _measured(sampler, objective, recorder, lengths, points, number):
            measured += sum(outcome.repeat_of is None for outcome in outcomes)
            waiting.append((finished, outcomes))
            if not whole:
                _keep(waiting, sampler, directions, keep)
        _keep(waiting, sampler, directions, keep)
        number += len(points)
        pace.took(measured, time.perf_counter() - started)


def _measured(
    sampler: Any,
    objective: Objective,
    recorder: Recorder,
    lengths: dict[str, int],
    points: Sequence[Sequence[int]],
    number: int,
) -> Iterator[tuple[list[FrozenTrial], list[Any]]]:
    """Yield the trials of a batch, and their outcomes, as they are there."""
    batch = [dict(zip(lengths, point, strict=True)) for point in points]
    common = getattr(sampler, "system_attributes", {})
    own = getattr(sampler, "attributes_of", lambda number: common)
    waiting = iter(batch)
    with closing(objective.measure_parts(batch, number)) as parts:
        began = datetime.datetime.now()
        for outcomes in parts:
            share = (datetime.datetime.now() - began) / max(1, len(outcomes))
            finished = [
                recorder.trial(
                    number + i,
                    indexes,
                    outcome,
                    (began + i * share, began + (i + 1) * share),
                    own(number + i),
                )
                for i, (outcome, indexes) in enumerate(zip(outcomes, waiting, strict=False))
            ]
            yield finished, outcomes
            number += len(finished)
            began = datetime.datetime.now()


def _keep(
    waiting: list[tuple[list[FrozenTrial], list[Any]]],
    sampler: Any,
    directions: Sequence[Any],
    keep: Callable[[list[FrozenTrial], list[Any]], None],
) -> None:
    if not waiting:
        return
    finished = [trial for trials, _ in waiting for trial in trials]
    keep(finished, [outcome for _, outcomes in waiting for outcome in outcomes])
    for trial in finished:
        sampler.tell(trial, directions)
    waiting.clear()
