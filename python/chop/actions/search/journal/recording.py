"""Finished trials put into a study without Optuna's copies and checks, which cost more than a small network."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from chop.actions.search.outcome import Outcome


class Recorder:
    """Makes finished trials of points that the strategy chose itself.

    Args:
        lengths: parameter -> number of choices (more than one).
    """

    def __init__(self, lengths: Mapping[str, int]) -> None:
        self._distributions: dict[str, BaseDistribution] = {
            name: IntDistribution(0, length - 1) for name, length in lengths.items()
        }

    def trial(
        self,
        number: int,
        indexes: dict[str, int],
        outcome: Outcome,
        times: tuple[datetime.datetime, ...],
        attributes: Mapping[str, Any],
    ) -> FrozenTrial:
        """Return the finished trial; it failed where a value is not a number, as in Optuna.

        Args:
            number: of the trial.
            indexes: of its point.
            outcome: what it gave.
            times: when it began and ended.
            attributes: of the sampler.
        """
        failed = any(map(math.isnan, outcome.values))
        trial = FrozenTrial(
            number=number, trial_id=number, state=TrialState.FAIL if failed else TrialState.COMPLETE,
            value=None, values=None if failed else [float(value) for value in outcome.values],
            datetime_start=times[0], datetime_complete=times[1], params=indexes,
            distributions=dict(self._distributions), user_attrs=outcome.user_attributes(),
            system_attrs=dict(attributes),
            intermediate_values={},
        )  # fmt: skip
        for key, value in outcome.excesses.items():
            trial.set_constraint(key, value)
        return trial


class _Given:
    """Stands for a trial that its maker lets go: whoever copies it gets the trial itself."""

    def __init__(self, trial: FrozenTrial) -> None:
        self._trial = trial

    def __deepcopy__(self, memo: Any) -> FrozenTrial:
        return self._trial


def hand_over(storage: Any, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Put trials into a storage in memory, which would copy each of them deeply; nobody else keeps them."""
    there = storage.get_n_trials(study_id)
    for trial in trials:
        if trial.number >= there:
            storage.create_new_trial(study_id, template_trial=_Given(trial))
            continue
        # The sampler asked for it: it is there and runs.
        trial._trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        storage._set_trial(trial._trial_id, trial)
        storage._update_cache(trial._trial_id, study_id)


def drop_running(storage: Any, study_id: int) -> None:
    """Forget the trials at the end of a study in memory that were asked for and not finished."""
    trials = storage._studies[study_id].trials
    while trials and not trials[-1].state.is_finished():
        trials.pop()
