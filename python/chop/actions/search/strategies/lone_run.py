"""A study that one process works on: in memory for the sampler, in the journal for everybody else."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optuna.samplers import BaseGASampler

from chop.actions.search.journal.recording import drop_running, hand_over
from chop.actions.search.journal.study import StudyIsShared
from chop.actions.search.results import leave_results
from chop.actions.search.samplers.asked import AskedBatches
from chop.actions.search.samplers.generations import Generations
from chop.actions.search.strategies.batches import run_in_batches
from chop.actions.search.strategies.progress import progress_of
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.journal.study import NoJournal, StudyJournal
    from chop.actions.search.objective import Objective

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


class LoneRun:
    """One run of a study: restored from the journal, continued, mirrored into it.

    Args:
        strategy: set-up, parameters and sampler.
        objective: measures points.
        journal: of the study.
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
        visualizer: Any,
        silent: bool = False,
    ) -> None:
        import optuna

        self.strategy, self.objective = strategy, objective
        self.journal, self.visualizer, self.silent = journal, visualizer, silent
        self._storage = optuna.storages.InMemoryStorage()
        directions = objective.study_directions
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

    def finish_and_leave(self, folder: Path | None) -> None:
        """Run the trials that are still missing, and write the files of results, also of a run that is ended early."""
        leave = partial(leave_results, self.study, folder, self.visualizer, self.objective)
        try:
            self.finish()
        except StudyIsShared:
            raise
        except BaseException:
            leave()
            raise
        leave(ended=True)

    def finish(self) -> None:
        """Run the trials that are still missing."""
        setup, plan = self.strategy.setup, self.strategy.plan
        total = plan.trials(setup.n_trials)
        missing = total - self.done
        if not self.silent:
            self._log_start(total)
        with progress_of(self.objective, self.silent)(self.done, total) as bar:
            bar.seen(self.study.get_trials(deepcopy=False))
            if missing > 0:
                sampler: Any = plan.build(self.done)
                self.study.sampler = sampler
                self._in_batches(self._proposer(sampler, getattr(setup, "batch", 1)), missing, bar)
                self._complain()

    def _proposer(self, sampler: Any, batch: int) -> Any:
        """What proposes: many trials at a time, where the sampler or the set-up allows it."""
        plan, lengths = self.strategy.plan, self.strategy.lengths
        if plan.each_trial and isinstance(sampler, BaseGASampler):
            return Generations(plan, self.study, lengths)
        asks, in_batches = hasattr(sampler, "ask"), hasattr(sampler, "batch")
        if self.objective.workers is not None and batch == 1 and (in_batches or not asks):
            logger.warning(
                "the sampler proposes one trial at a time: workers need search.strategy.setup.batch"
            )
        if not asks:
            return AskedBatches(plan, self.study, lengths, batch)
        if in_batches:
            sampler.batch = batch
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
            self.journal.save_sampler_state(dict(self._storage.get_study_system_attrs(self._id)))
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


def _first_lost(study: Any) -> int:
    trials = study.get_trials(deepcopy=False)
    return next(
        t.number for t in trials if str(t.user_attrs.get("failure", "")).startswith("its worker ended")
    )
