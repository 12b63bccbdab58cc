"""Batches of a sampler of Optuna's: all points of one are proposed before the first of them is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.trial import TrialState


class AskedBatches:
    """Asks a sampler for the trials of a batch, which the study holds as running meanwhile.

    A batch ends at a multiple of its size, and what is proposed in it depends on the trials before it alone: the study
    is the same for any number of workers and after any stop. It is not that of one trial at a time.

    Args:
        plan: makes the sampler of a trial.
        study: in memory, with all finished trials.
        lengths: parameter -> number of choices (more than one).
        batch: trials of one.

    Attributes:
        whole: a batch is asked for, kept and told as a whole.
    """

    whole = True

    def __init__(self, plan: Any, study: Any, lengths: Mapping[str, int], batch: int) -> None:
        self._plan, self._study, self._lengths, self._batch = plan, study, lengths, batch
        self._first = len(study.get_trials(deepcopy=False))

    def ask(self, number: int, most: int, directions: Any = None) -> list[list[int]]:
        """Return the points of trials ``number``, … up to the end of the batch, ``most`` of them."""
        points = []
        for place in range(number, min(number + most, batch_end(number, self._batch))):
            if self._plan.each_trial:
                self._study.sampler = self._plan.build(place)
            trial = self._study.ask()
            points.append([trial.suggest_int(name, 0, n - 1) for name, n in self._lengths.items()])
        return points

    def attributes_of(self, number: int) -> dict[str, Any]:
        """Return what the sampler noted of a trial that it was asked for."""
        return dict(self._study.get_trials(deepcopy=False)[number].system_attrs)

    def tell(self, trial: Any, directions: Any = None) -> None:
        """The study holds the trial already; the sampler is told of those that it was asked for."""
        if trial.number >= self._first:
            values = trial.values if trial.state == TrialState.COMPLETE else None
            self._study.sampler.after_trial(self._study, trial, trial.state, values)


def batch_end(number: int, batch: int) -> int:
    """Return the number after the batch of a trial.

    >>> batch_end(0, 8), batch_end(7, 8), batch_end(8, 8)
    (8, 8, 16)
    """
    return (number // batch + 1) * batch
