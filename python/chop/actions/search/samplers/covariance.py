"""CMA-ES on the indexes of choices; its state follows from the trials, so that nothing of it is ever pickled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from chop.actions.search.samplers.whole_config import OneDrawSampler
from chop.tools.fork_lock import ForkLock

POINT = "chop:cmaes"  # trial attribute: the point before rounding
LEAST_DIMENSIONS = 2  # of the package cmaes


class CovarianceSampler(OneDrawSampler):
    """The covariance matrix adaptation evolution strategy with margin for whole numbers (Hamano et al., 2022).

    Every parameter is an axis from 0 to 1. A generation is ``popsize`` finished trials in the order of their
    numbers; a trial is drawn from the newest generation that is complete. Trials that break a constraint rank
    behind all that do not, by how much they break it. Threads share one sampler (``n_jobs``).

    Args:
        lengths: parameter -> number of choices (more than one).
        seed: of the study.
        sigma0: first standard deviation, as a part of an axis.
        popsize: trials a generation; None: see :func:`usual_popsize`.
        with_margin: False takes plain CMA-ES, which can end on one choice of an axis too early.
    """

    def __init__(
        self, lengths: Mapping[str, int], seed: int, sigma0: float, popsize: int | None, with_margin: bool
    ) -> None:
        super().__init__(lengths)
        self._last = np.array([k - 1 for k in lengths.values()], dtype=np.float64)
        self._seed, self._sigma0, self._popsize, self._margin = seed, sigma0, popsize, with_margin
        self._told: list[int] = []
        self._strategy = self._made()
        self._lock = ForkLock()  # of the two above

    def sample_relative(
        self, study: Any, trial: Any, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        with self._lock:
            self._tell(study)
            self._strategy.reseed_rng((self._seed + trial.number) % 2**32)
            asked = self._strategy.ask()
        point = asked[1] if self._margin else asked
        study._storage.set_trial_system_attr(trial._trial_id, POINT, [float(x) for x in point])
        place = np.clip((asked[0] if self._margin else asked)[: len(self._last)], 0.0, 1.0)
        indexes = np.rint(place * self._last).astype(np.int64)
        return dict(zip(search_space, indexes.tolist(), strict=True))

    def _made(self) -> Any:
        import cmaes

        size = max(len(self._last), LEAST_DIMENSIONS)
        mean, bounds = np.full(size, 0.5), np.tile([0.0, 1.0], (size, 1))
        popsize = self._popsize or usual_popsize(len(self._last))
        options: dict[str, Any] = {"seed": self._seed, "population_size": popsize}
        if not self._margin:
            return cmaes.CMA(mean, self._sigma0, bounds, **options)
        steps = np.zeros(size)  # 0: an axis without steps
        steps[: len(self._last)] = 1.0 / self._last
        return cmaes.CMAwM(mean, self._sigma0, bounds, steps, **options)

    def _tell(self, study: Any) -> None:
        """Bring the strategy up to the newest complete generation."""
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        trials = sorted((t for t in trials if POINT in t.system_attrs), key=lambda t: t.number)
        size = self._strategy.population_size
        numbers = [trial.number for trial in trials[: len(trials) - len(trials) % size]]
        if self._told != numbers[: len(self._told)]:  # another worker finished an earlier trial meanwhile
            self._told, self._strategy = [], self._made()
        for first in range(len(self._told), len(numbers), size):
            generation = trials[first : first + size]
            points = [np.array(trial.system_attrs[POINT]) for trial in generation]
            ranks = _ranks(generation, study.direction == StudyDirection.MAXIMIZE)
            self._strategy.tell(list(zip(points, ranks, strict=True)))
        self._told = numbers


def usual_popsize(parameters: int) -> int:
    """Trials of a generation where nothing is asked for (Hansen, "The CMA evolution strategy: a tutorial").

    >>> usual_popsize(4), usual_popsize(40)
    (8, 15)
    """
    return 4 + int(3 * math.log(max(parameters, LEAST_DIMENSIONS)))


def _ranks(trials: Sequence[Any], maximize: bool) -> list[float]:
    """Ranks from best to worst: what breaks no constraint first; equal ones share a rank."""
    keys = []
    for trial in trials:
        broken = sum(value for value in trial.constraints.values() if value > 0)
        value = -trial.value if maximize else trial.value
        keys.append((broken, 0.0 if broken else value))
    order = sorted(set(keys))
    return [float(order.index(key)) for key in keys]
