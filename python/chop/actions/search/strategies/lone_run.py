"""A study that one process works on: in memory for the sampler, in the journal for everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from optuna.samplers import BaseGASampler

from chop.actions.search.journal.recording import drop_running, hand_over
from chop.actions.search.samplers.asked import AskedBatches
from chop.actions.search.samplers.generations import Generations
from chop.actions.search.strategies.batches import run_in_batches
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.journal.study import NoJournal, StudyJournal
    from chop.actions.search.objective import Objective
    from chop.actions.search.strategies.progress import Progress

logger = get_logger(__name__)


class Proposer(Protocol):
    """What a run asks its strategy for.

    Attributes:
        setup: with ``n_trials`` and ``timeout``.
        plan: a ``SamplerPlan``, or what has its ``trials``, ``build``, ``describe`` and ``each_trial``.
        lengths: parameter -> number of choices (more than one).
    """

    setup: Any
    lengths: dict[str, int]

    @property
    def plan(self) -> Any: ...

    def progress_of(self, objective: Objective, silent: bool = False) -> Callable[[int, int], Progress]: ...


class LoneRun:
    """One run of a study: restored from the journal, continued, mirrored into it.

    Args:
        strategy: set-up, parameters and sampler.
        objective: measures points.
        journal: of the study.
        directions: of its objectives.
        visualizer: receives the scaled metrics of each trial.
            Called with (study, trial) too, if it can be.
        silent: neither progress bar nor messages.

    Attributes:
        study: in memory.
        done: how many trials there were.
    """

    def __init__(
        self,
        strategy: Proposer,
        objective: Objective,
        journal: StudyJournal | NoJournal,
        directions: list[Any],
        visualizer: Any,
        silent: bool = False,
    ) -> None:
        import optuna

        self.strategy, self.objective = strategy, objective
        self.journal, self.visualizer, self.silent = journal, visualizer, silent
        self._storage = optuna.storages.InMemoryStorage()
        self.study = optuna.create_study(
            storage=self._storage, study_name=journal.name, directions=directions
        )
        self._id = self._storage.get_study_id_from_name(journal.name)
        for key, value in journal.sampler_state().items():
            self._storage.set_study_system_attr(self._id, key, value)
        for trial in journal.trials():
            self.study.add_trial(trial)
            objective.remember(trial.params, trial.number, trial.user_attrs)
            objective.weights.seen([trial], directions)
        self.done = len(self.study.get_trials(deepcopy=False))

    def finish(self) -> None:
        """Run the trials that are still missing."""
        setup, plan = self.strategy.setup, self.strategy.plan
        total = plan.trials(setup.n_trials)
        missing = total - self.done
        if not self.silent:
            self._log_start(total)
        with self.strategy.progress_of(self.objective, self.silent)(self.done, total) as bar:
            bar.seen(self.study.get_trials(deepcopy=False))
            if missing <= 0:
                return
            sampler: Any = plan.build(self.done)
            self.study.sampler = sampler
            sampler = self._batched(sampler, getattr(setup, "batch", 1))
            if hasattr(sampler, "ask"):
                self._in_batches(sampler, missing, bar)
                self._complain()
                return
            self.study.optimize(
                self._trial,
                n_trials=missing,
                timeout=setup.timeout,
                callbacks=[self._after_trial, bar.after_trial, *self._watchers()],
            )

    def _batched(self, sampler: Any, batch: int) -> Any:
        """What proposes many trials at a time, where the sampler or the set-up allows it."""
        plan, lengths = self.strategy.plan, self.strategy.lengths
        if plan.each_trial and isinstance(sampler, BaseGASampler):
            return Generations(plan, self.study, lengths)
        if batch > 1 and hasattr(sampler, "batch"):
            sampler.batch = batch
        elif batch > 1 and not hasattr(sampler, "ask"):
            return AskedBatches(plan, self.study, lengths, batch)
        if (
            self.objective.workers is not None
            and getattr(sampler, "batch", 1) == 1
            and not _proposes_many(sampler)
        ):
            logger.warning(
                "the sampler proposes one trial at a time: workers need search.strategy.setup.batch"
            )
        return sampler

    def _complain(self) -> None:
        workers = self.objective.workers
        if workers is not None and workers.lost:
            raise ChildProcessError(
                f"{workers.lost} trials of study {self.journal.name} failed, their workers ended each time; the first "
                f"is trial {_first_lost(self.study)}"
            )

    def _watchers(self) -> list[Any]:
        """A visualizer that takes (study, trial), such as ``chop.plotting.live_front``; of a batch, at its end."""
        return [self.visualizer] if callable(self.visualizer) else []

    def _in_batches(self, sampler: Any, missing: int, bar: Any) -> None:
        def keep(trials: list[Any], outcomes: list[Any]) -> None:
            self.objective.weights.seen(trials, directions)
            self.journal.append_all(trials)
            self._save_sampler_state()
            hand_over(self._storage, self._id, trials)
            for trial, outcome in zip(trials, outcomes, strict=True):
                if self.visualizer is not None:
                    self.visualizer.log_metrics(outcome.scaled, step=trial.number)
            bar.seen(trials)
            bar.update(len(trials))
            for watcher in self._watchers():
                for trial in trials:
                    watcher(self.study, trial)

        strategy, directions = self.strategy, self.study.directions
        for trial in self.study.get_trials(deepcopy=False):
            sampler.tell(trial, directions)
        trials = range(self.done, self.done + missing)
        try:
            run_in_batches(
                sampler, self.objective, strategy.lengths, trials, directions, strategy.setup.timeout, keep
            )
        finally:
            drop_running(self._storage, self._id)

    def _log_start(self, total: int) -> None:
        import optuna

        sampler = self.strategy.plan.describe(len(self.study.directions))
        logger.info("study %s: sampler %s, optuna %s", self.journal.name, sampler, optuna.__version__)
        if self.done:
            state = "goes on" if self.done < total else "is complete"
            logger.info("%d trials of %d are there already: the study %s", self.done, total, state)

    def _trial(self, trial: Any) -> list[float]:
        indexes = {name: trial.suggest_int(name, 0, n - 1) for name, n in self.strategy.lengths.items()}
        outcome = self.objective.measure(indexes, trial.number)
        for key, value in outcome.user_attributes().items():
            trial.set_user_attr(key, value)
        for key, value in outcome.excesses.items():
            trial.set_constraint(key, value)
        if self.visualizer is not None:
            self.visualizer.log_metrics(outcome.scaled, step=trial.number)
        return outcome.values

    def _save_sampler_state(self) -> None:
        self.journal.save_sampler_state(dict(self._storage.get_study_system_attrs(self._id)))

    def _after_trial(self, study: Any, trial: Any) -> None:
        self.objective.weights.seen([trial], study.directions)
        self.journal.append(trial)
        self._save_sampler_state()
        if self.strategy.plan.each_trial:
            study.sampler = self.strategy.plan.build(trial.number + 1)


def _proposes_many(sampler: Any) -> bool:
    return hasattr(sampler, "ask") and not hasattr(sampler, "batch")


def _first_lost(study: Any) -> int:
    trials = study.get_trials(deepcopy=False)
    return next(
        t.number for t in trials if str(t.user_attrs.get("failure", "")).startswith("its worker ended")
    )
