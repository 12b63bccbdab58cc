"""The strategy ``optuna``: a study in memory for the sampler, a journal on disk for everybody else.

Source: the keys of the set-up are MASE's. MASE pickles the study every few trials; here the journal holds
every trial as soon as it is finished, and the same command continues it. As soon as other processes take part
the study is read from and written to its storage directly (``shared_search``).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from chop.actions.search.results import SearchResult, best_entries, write_results
from chop.actions.search.strategies import STRATEGIES
from chop.actions.search.strategies.journal import (
    ABOUT,
    JOURNAL_NAME,
    StudyIsShared,
    StudyJournal,
    about_study,
)
from chop.actions.search.strategies.progress import Progress
from chop.actions.search.strategies.samplers import SamplerPlan
from chop.actions.search.strategies.storage import StorageAddress
from chop.actions.search.validation import StrictTable
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.actions.search.search_space import SearchSpace
    from chop.actions.search.strategies.in_memory import MemoryJournal
    from chop.actions.search.strategies.shared_search import Crew, SharedSearch

logger = get_logger(__name__)

# What may change between two runs of one study.
RUN_KEYS = {"n_jobs", "n_trials", "timeout", "save_every_n_trials", "storage", "study_name", "grace"}


class OptunaSetup(StrictTable):
    """``[search.strategy.setup]``.

    Attributes:
        n_trials: trials in all, those of earlier runs of the same study included.
        n_jobs: threads of the evaluator (-1: one a core); the trials stay in order, so the study does not
            depend on it.
        timeout: seconds for this run; no new trial starts after that.
        sampler, sampler_options: a registered name and its options.
        multivariate, constant_liar: short for the TPE options of that name.
        sum_scaled_metrics: one objective, the sum of the scaled metrics, in ``direction``; else one a metric.
        save_every_n_trials: accepted as in MASE; the journal holds every trial anyway.
        storage: URL of the study's storage; without it a journal file beside the results.
        study_name: its name there; without it one that follows from the config, weights, rows and seed.
        grace: seconds without a sign of life after which a process on another machine counts as dead.
    """

    n_trials: int = Field(ge=1)
    n_jobs: int = 1
    timeout: float | None = Field(default=None, gt=0)
    sampler: str = "tpe"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    multivariate: bool | None = None
    constant_liar: bool | None = None
    sum_scaled_metrics: bool = False
    direction: Literal["minimize", "maximize"] | None = None
    save_every_n_trials: int = Field(default=10, ge=1)
    storage: str | None = Field(default=None, min_length=1)
    study_name: str | None = Field(default=None, min_length=1)
    grace: float = Field(default=60.0, ge=1)
    pkl_ckpt: Any = None

    @model_validator(mode="after")
    def _consistent(self) -> OptunaSetup:
        if self.n_jobs == 0 or self.n_jobs < -1:
            raise ValueError(f"n_jobs must be -1 or at least 1, got {self.n_jobs}")
        if self.sum_scaled_metrics and self.direction is None:
            raise ValueError("direction is missing: sum_scaled_metrics needs minimize or maximize")
        if self.pkl_ckpt is not None:
            raise ValueError(
                "pkl_ckpt is refused: reading a pickle can run code; the same command continues a study"
            )
        if self.storage is not None:
            StorageAddress(self.storage)
        return self

    def all_sampler_options(self) -> dict[str, Any]:
        """Options of the sampler, the short forms included."""
        short = {"multivariate": self.multivariate, "constant_liar": self.constant_liar}
        return {**self.sampler_options, **{key: value for key, value in short.items() if value is not None}}

    def identity(self) -> dict[str, Any]:
        """What makes a study another one."""
        return self.model_dump(exclude=RUN_KEYS)


@STRATEGIES.register("optuna")
class SearchStrategyOptuna:
    """Runs an Optuna study over a search space.

    Args:
        setup: the checked table.
        space: only its parameters with more than one choice are suggested.
        seed: same seed, same study.

    Raises:
        UnknownNameError, ConfigError: an unknown sampler or option.
    """

    Setup: ClassVar[Any] = OptunaSetup

    def __init__(self, setup: OptunaSetup, space: SearchSpace, seed: int) -> None:
        self.setup, self.seed = setup, seed
        self.lengths = {name: n for name, n in space.choice_lengths_flattened.items() if n > 1}
        self.plan = SamplerPlan(setup.sampler, setup.all_sampler_options(), self.lengths, seed)
        self.crew: Crew | None = None  # set where other processes take part
        self.address = StorageAddress(setup.storage) if setup.storage is not None else None
        if self.address is not None:
            self.address.check()
        with _quiet_optuna():
            self.plan.build(0)  # what the sampler itself refuses is refused before anything is written

    def run(self, objective: Objective, identity: str, folder: Path, visualizer: Any = None) -> SearchResult:
        """Run or continue the study, write ``log.json`` and ``best.json``, and return the result.

        Args:
            objective: measures a point.
            identity: digest of all that the study depends on; it names the study.
            folder: for the journal and the two files; made if absent.
            visualizer: an object with ``log_metrics(metrics, step)``, such as a TensorBoardLogger.

        Raises:
            KeyboardInterrupt: after the files are written.
        """
        with _quiet_optuna():
            if self.crew is None and self.address is None and self.setup.study_name is None:
                try:
                    return self._run_alone(objective, identity, folder, visualizer)
                except StudyIsShared:
                    logger.info(
                        "other processes work or worked on this study: its trials are claimed one by one"
                    )
            folder.mkdir(parents=True, exist_ok=True)
            search = self._shared(objective, identity, folder, visualizer)
            return search.run(objective, self._directions(objective), folder)

    def work(self, objective: Objective, identity: str, folder: Path) -> None:
        """Be one of several workers: measure until nothing is left to start on; write no files."""
        with _quiet_optuna():
            self._shared(objective, identity, folder, None).worker.work()

    def _about(self, objectives: int) -> dict[str, Any]:
        return about_study(self.plan.describe(objectives), self.seed)

    def _directions(self, objective: Objective) -> list[Any]:
        return [self.setup.direction] if objective.sum_scaled_metrics else objective.directions

    def _run_alone(self, objective: Objective, identity: str, folder: Path, visualizer: Any) -> SearchResult:
        directions, names = self._directions(objective), _names(objective)
        about = self._about(len(directions))
        journal = StudyJournal(folder / JOURNAL_NAME, f"search-{identity}", directions, names, about)
        run = _Run(self, objective, journal, directions, visualizer)
        try:
            run.finish()
        except StudyIsShared:
            raise
        except BaseException:
            write_results(run.study, folder)
            raise
        write_results(run.study, folder)
        return SearchResult(run.study, journal.name, best_entries(run.study), folder, journal.path)

    def _shared(self, objective: Objective, identity: str, folder: Path, visualizer: Any) -> SharedSearch:
        from chop.actions.search.strategies.shared_run import SharedStudy, Worker
        from chop.actions.search.strategies.shared_search import Crew, SharedSearch

        setup, crew = self.setup, self.crew or Crew()
        shared = SharedStudy(
            self.address or StorageAddress.of_journal(folder / JOURNAL_NAME),
            setup.study_name or f"search-{identity}",
            identity,
            self._directions(objective),
            _names(objective),
            self.plan.trials(setup.n_trials),
            setup.grace,
            crew.role.name if crew.role else None,
        )
        if crew.role is None and ABOUT not in shared.study.user_attrs:
            shared.study.set_user_attr(ABOUT, self._about(len(self._directions(objective))))
        worker = Worker(shared, self.plan, self.lengths, objective, visualizer=visualizer)
        return SharedSearch(shared, worker, crew, setup.timeout, self._progress_of(objective))

    def _progress_of(self, objective: Objective, silent: bool = False) -> Callable[[int, int], Progress]:
        """What opens the progress bar, given trials done and in all."""
        names, directions = _names(objective), self._directions(objective)
        return lambda done, total: Progress(done, total, names, directions, silent)


def _names(objective: Objective) -> list[str]:
    return ["sum"] if objective.sum_scaled_metrics else list(objective.metrics)


class _Run:
    """One run of a study: restored from the journal, continued, mirrored into it trial by trial."""

    def __init__(
        self,
        strategy: SearchStrategyOptuna,
        objective: Objective,
        journal: StudyJournal | MemoryJournal,
        directions: list[Any],
        visualizer: Any,
    ) -> None:
        import optuna

        self.strategy, self.objective = strategy, objective
        self.journal, self.visualizer = journal, visualizer
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
        self.done = len(self.study.get_trials(deepcopy=False))

    def finish(self) -> None:
        """Run the trials that are still missing."""
        setup, plan = self.strategy.setup, self.strategy.plan
        missing = plan.trials(setup.n_trials) - self.done
        silent = self.journal.path is None
        if not silent:
            self._log_start(missing)
        with self.strategy._progress_of(self.objective, silent)(self.done, setup.n_trials) as progress:
            progress.seen(self.study.get_trials(deepcopy=False))
            if missing <= 0:
                return
            self.study.sampler = plan.build(self.done)
            self.study.optimize(
                self._trial,
                n_trials=missing,
                timeout=setup.timeout,
                callbacks=[self._after_trial, progress.after_trial, *self._watchers()],
            )

    def _watchers(self) -> list[Any]:
        """A visualizer that takes (study, trial), such as ``chop.plotting.live_front``."""
        return [self.visualizer] if callable(self.visualizer) else []

    def _log_start(self, missing: int) -> None:
        import optuna

        sampler = self.strategy.plan.describe(len(self.study.directions))
        logger.info("study %s: sampler %s, optuna %s", self.journal.name, sampler, optuna.__version__)
        if self.done:
            total, state = self.strategy.setup.n_trials, "goes on" if missing > 0 else "is complete"
            logger.info("%d trials of %d are there already: the study %s", self.done, total, state)

    def _trial(self, trial: Any) -> list[float]:
        indexes = {name: trial.suggest_int(name, 0, n - 1) for name, n in self.strategy.lengths.items()}
        outcome = self.objective.measure(indexes, trial.number)
        for key, value in outcome.user_attributes().items():
            trial.set_user_attr(key, value)
        if self.visualizer is not None:
            self.visualizer.log_metrics(outcome.scaled, step=trial.number)
        return outcome.values

    def _after_trial(self, study: Any, trial: Any) -> None:
        self.journal.append(trial)
        self.journal.save_sampler_state(dict(self._storage.get_study_system_attrs(self._id)))
        if self.strategy.plan.each_trial:
            study.sampler = self.strategy.plan.build(trial.number + 1)


@contextlib.contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna's own messages (one a trial, experimental samplers) out of the way for a while."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
