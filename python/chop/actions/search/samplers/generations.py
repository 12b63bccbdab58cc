"""Trials of a genetic sampler many at a time: those of a generation depend on earlier ones, not on each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial

if TYPE_CHECKING:
    from optuna import Study

    from chop.actions.search.samplers.registry import SamplerPlan


class Generations:
    """Asks a genetic sampler of Optuna's for what is left of a generation.

    The points are those that Optuna would suggest one by one, as a sampler is made anew for each trial.

    Args:
        plan: makes the sampler of a trial.
        study: holds all finished trials.
        lengths: parameter -> number of choices (more than one).

    Attributes:
        system_attributes: of the trials asked for last: their generation, under the sampler's key.
    """

    def __init__(self, plan: SamplerPlan, study: Study, lengths: Mapping[str, int]) -> None:
        self._plan, self._study = plan, study
        self._distributions = {name: IntDistribution(0, length - 1) for name, length in lengths.items()}
        self.system_attributes: dict[str, Any] = {}

    def ask(self, number: int, most: int, directions: Any = None) -> list[list[int]]:
        """Return the points of trials ``number``, …: at most so many, and none of the next generation."""
        self._study._thread_local.cached_all_trials = None  # as Study.ask does for each trial
        sampler: Any = self._plan.build(number)
        key, population = sampler._get_generation_key(), sampler.population_size
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        generations = [trial.system_attrs.get(key, -1) for trial in trials]
        newest = max(generations, default=0)
        there = generations.count(newest)
        if there >= population:
            newest, there = newest + 1, 0
        self.system_attributes = {key: newest}
        return [self._point(place) for place in range(number, number + min(most, population - there))]

    def tell(self, trial: Any, directions: Any = None) -> None:
        """The study holds the trial already."""

    def _point(self, number: int) -> list[int]:
        sampler = self._plan.build(number)
        trial = create_trial(state=TrialState.RUNNING, system_attrs=self.system_attributes)
        trial.number = number
        space = sampler.infer_relative_search_space(self._study, trial)
        found = sampler.sample_relative(self._study, trial, space)
        for name, distribution in self._distributions.items():
            if name not in found:
                found[name] = sampler.sample_independent(self._study, trial, name, distribution)
        return [int(found[name]) for name in self._distributions]
