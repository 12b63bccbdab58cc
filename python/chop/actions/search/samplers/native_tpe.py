"""The tree-structured Parzen estimator of the core: one call a trial proposes the whole configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection

from chop import _core
from chop.actions.search.samplers.asked import batch_end
from chop.actions.search.samplers.whole_config import OneDrawSampler
from chop.tools.fork_lock import ForkLock


class NativeTpeSampler(OneDrawSampler):
    """Proposes from the finished trials of the study, read where they were not told.

    A proposal depends on the seed, the trial's number and the trials that are there, so a study that was stopped goes
    on as if it had not been. Trials that others run count as bad ones (Optuna's ``constant_liar``). Threads share one
    (``n_jobs``); what is pickled reads the study again.

    Args:
        lengths: parameter -> number of choices.
        ordered: parameters whose neighbouring choices resemble each other.
        seed: of the study.
        startup, candidates: Optuna's ``n_startup_trials`` and ``n_ei_candidates``.
        multivariate: kernels over whole configurations, or each parameter by itself.
        avoid_repeats: propose no configuration twice while others are left.

    >>> import optuna
    >>> sampler = NativeTpeSampler({"a": 4, "b": 4}, {"a", "b"}, 0)
    >>> study = optuna.create_study(sampler=sampler)
    >>> study.optimize(lambda t: t.suggest_int("a", 0, 3) + t.suggest_int("b", 0, 3), n_trials=16)
    >>> study.best_value, len({tuple(trial.params.values()) for trial in study.trials})
    (0.0, 16)
    """

    def __init__(
        self,
        lengths: Mapping[str, int],
        ordered: set[str],
        seed: int,
        startup: int = 10,
        candidates: int = 24,
        multivariate: bool = True,
        avoid_repeats: bool = True,
    ) -> None:
        super().__init__(lengths)
        self._parameters = [(length, name in ordered) for name, length in lengths.items()]
        self._options = (seed, startup, candidates, multivariate, avoid_repeats)
        self.startup = startup
        self.batch = 1  # trials that are proposed together, whatever the others of them give
        self._begin()

    def _begin(self) -> None:
        """Know of no trial."""
        self._lock = ForkLock()  # of all below
        self._core: _core.Tpe | None = None
        self._signs: list[float] = []
        self._told: set[int] = set()
        self._first_open = 0  # all trials before this number are told

    def __getstate__(self) -> dict[str, Any]:
        known = ("_lock", "_core", "_signs", "_told", "_first_open")
        return {name: value for name, value in self.__dict__.items() if name not in known}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    @property
    def whole(self) -> bool:
        """Whether the batches are set, so that they are kept and told as a whole."""
        return self.batch > 1

    def ask(self, number: int, most: int, directions: Sequence[StudyDirection]) -> list[list[int]]:
        """Return the points of trials ``number``, …: as many as do not depend on values that are still missing.

        All finished trials were told before (:meth:`tell`).
        """
        core = self._made(directions)
        if core is None:
            return [[] for _ in range(most)]
        if self.whole:
            count = min(most, batch_end(number, self.batch) - number)
        else:
            count = max(1, min(most, self.startup - core.told))
        batch: list[tuple[int, list[int]]] = []
        for place in range(number, number + count):
            batch.append((place, core.propose(place, batch)))
        return [point for _, point in batch]

    def tell(self, trial: Any, directions: Sequence[StudyDirection]) -> None:
        """Take in a finished trial."""
        with self._lock:
            core = self._made(directions)
            self._told.add(trial.number)
            if core is None or trial.params.keys() != self._space.keys():
                return
            values = trial.values or [math.nan] * len(self._signs)
            signed = [value * sign for value, sign in zip(values, self._signs, strict=True)]
            violation = sum(v for v in getattr(trial, "constraints", {}).values() if v > 0)
            core.tell(trial.number, [trial.params[name] for name in self._space], signed, violation)

    def sample_relative(
        self, study: Any, trial: Any, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with self._lock:
            running = self._read(study, trial.number)
            core = self._made(study.directions)
        point = [] if core is None else core.propose(trial.number, running)
        return dict(zip(search_space, point, strict=True))

    def _made(self, directions: Sequence[StudyDirection]) -> _core.Tpe | None:
        """The estimator; None in a space without a choice."""
        with self._lock:
            if self._core is None and self._parameters:
                self._signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions]
                self._core = _core.Tpe(self._parameters, len(self._signs), *self._options)
            return self._core

    def _read(self, study: Any, number: int) -> list[tuple[int, list[int]]]:
        """Tell what was not told; return the points of the trials that run beside ``number``."""
        trials = study.get_trials(deepcopy=False)
        running = []
        for trial in trials[self._first_open :]:
            if trial.state.is_finished() and trial.number not in self._told:
                self.tell(trial, study.directions)
            elif not trial.state.is_finished() and trial.number != number:
                point = [trial.params.get(name, -1) for name in self._space]
                if min(point, default=-1) >= 0:
                    running.append((trial.number, point))
        while self._first_open < len(trials) and self._first_open in self._told:
            self._first_open += 1
        return running
