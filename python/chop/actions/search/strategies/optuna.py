"""The strategy ``optuna``: a study in memory for the sampler, a journal on disk for everybody else.

Source: the keys of the set-up are MASE's. MASE pickles the study every few trials; here the journal holds
every trial as soon as it is finished, and the same command continues it. As soon as other processes take part
the study is read from and written to its storage directly (``shared_search``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from chop.actions.search.journal.study import (
    ABOUT,
    JOURNAL_NAME,
    NoJournal,
    StudyIsShared,
    StudyJournal,
    about_study,
)
from chop.actions.search.results import SearchResult, best_entries, leave_results
from chop.actions.search.samplers import SamplerPlan
from chop.actions.search.strategies.lone_run import LoneRun
from chop.actions.search.strategies.progress import Progress, progress_of
from chop.actions.search.strategies.quiet import quiet_optuna
from chop.actions.search.strategies.registry import STRATEGIES
from chop.actions.search.strategies.setup import StudySetup
from chop.actions.search.strategies.storage import StorageAddress
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.actions.search.search_space import SearchSpace
    from chop.actions.search.strategies.shared_search import Crew, SharedSearch

logger = get_logger(__name__)

MEMORY = "memory"
# What may change between two runs of one study.
RUN_KEYS = {"n_jobs", "n_trials", "timeout", "save_every_n_trials", "storage", "study_name", "grace"}


class OptunaSetup(StudySetup):
    """``[search.strategy.setup]``.

    Attributes:
        n_trials: trials in all, those of earlier runs of the same study included.
        timeout: seconds for this run; no new trial starts after that.
        sampler, sampler_options: a registered name and its options.
        multivariate, constant_liar: short for the TPE options of that name.
        save_every_n_trials: accepted as in MASE; the journal holds every trial anyway.
        storage: URL of the study's storage; without it a journal file beside the results. "memory": the study is gone
            with this process.
        study_name: its name there; without it one that follows from the config, weights, rows and seed.
        grace: seconds without a sign of life after which a process on another machine counts as dead.
    """

    n_trials: int = Field(default=100, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    sampler: str = "tpe"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    multivariate: bool | None = None
    constant_liar: bool | None = None
    save_every_n_trials: int = Field(default=10, ge=1)
    storage: str | None = Field(default=None, min_length=1)
    study_name: str | None = Field(default=None, min_length=1)
    grace: float = Field(default=60.0, ge=1)
    pkl_ckpt: Any = None

    @model_validator(mode="after")
    def _usable(self) -> OptunaSetup:
        if self.pkl_ckpt is not None:
            raise ValueError(
                "pkl_ckpt is refused: reading a pickle can run code; the same command continues a study"
            )
        if self.storage is not None and self.storage != MEMORY:
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
        ordered = {name for name in self.lengths if _rises_or_falls(space.choices_flattened[name])}
        options = setup.all_sampler_options()
        self.plan = SamplerPlan(setup.sampler, options, self.lengths, seed, ordered)
        self.crew: Crew | None = None  # set where other processes take part
        self.in_memory = setup.storage == MEMORY
        given = setup.storage is not None and not self.in_memory
        self.address = StorageAddress(str(setup.storage)) if given else None
        if self.address is not None:
            self.address.check()
        with quiet_optuna():
            self.plan.check()

    def check(self, objective: Objective) -> None:
        """Raise ``ConfigError`` where the sampler cannot take so many objectives."""
        self.plan.check_objectives(len(objective.value_names))

    def run(
        self, objective: Objective, identity: str, folder: Path | None, visualizer: Any = None
    ) -> SearchResult:
        """Run or continue the study, write ``log.json`` and ``best.json``, and return the result.

        Args:
            objective: measures a point.
            identity: digest of all that the study depends on; it names the study.
            folder: for the journal and the two files; made if absent. None (in memory only): no files.
            visualizer: an object with ``log_metrics(metrics, step)``, such as a TensorBoardLogger.

        Raises:
            KeyboardInterrupt: after the files are written.
            ConfigError: several processes, and a study in memory.
        """
        self._check_crew()
        with quiet_optuna():
            if self.in_memory or (
                self.crew is None and self.address is None and self.setup.study_name is None
            ):
                try:
                    return self._run_alone(objective, identity, folder, visualizer)
                except StudyIsShared:
                    logger.info(
                        "other processes work or worked on this study: its trials are claimed one by one"
                    )
            assert folder is not None
            folder.mkdir(parents=True, exist_ok=True)
            search = self._shared(objective, identity, folder, visualizer)
            return search.run(objective, self._directions(objective), folder)

    def work(self, objective: Objective, identity: str, folder: Path) -> None:
        """Be one of several workers: measure until nothing is left to start on; write no files."""
        with quiet_optuna():
            self._shared(objective, identity, folder, None).worker.work()

    def run_in_memory(self, objective: Objective, name: str) -> Any:
        """Run the study ``name`` without a file or a progress bar, and return it (Optuna's)."""
        with quiet_optuna():
            run = LoneRun(self, objective, NoJournal(name), self._directions(objective), None, silent=True)
            run.finish()
        return run.study

    def progress_of(self, objective: Objective, silent: bool = False) -> Callable[[int, int], Progress]:
        """Return what opens the progress bar, given trials done and in all."""
        return progress_of(objective, self._directions(objective), silent)

    def _about(self, objective: Objective) -> dict[str, Any]:
        who = self.plan.describe(len(self._directions(objective)))
        return about_study(who, self.seed, objective.context.subject)

    def _directions(self, objective: Objective) -> list[Any]:
        return [self.setup.direction] if objective.sum_scaled_metrics else objective.directions

    def _check_crew(self) -> None:
        if self.in_memory and self.crew is not None:
            raise ConfigError(
                f"storage {MEMORY!r} is for one process; leave --workers out, or name another storage"
            )

    def _run_alone(
        self, objective: Objective, identity: str, folder: Path | None, visualizer: Any
    ) -> SearchResult:
        directions, names = self._directions(objective), objective.value_names
        journal: StudyJournal | NoJournal
        if self.in_memory or folder is None:
            journal = NoJournal(self.setup.study_name or f"search-{identity}")
        else:
            about = self._about(objective)
            journal = StudyJournal(folder / JOURNAL_NAME, f"search-{identity}", directions, names, about)
        run = LoneRun(self, objective, journal, directions, visualizer)
        try:
            run.finish()
        except StudyIsShared:
            raise
        except BaseException:
            leave_results(run.study, folder, visualizer, objective)
            raise
        leave_results(run.study, folder, visualizer, objective, ended=True)
        storage = MEMORY if self.in_memory else ""
        return SearchResult(run.study, journal.name, best_entries(run.study), folder, journal.path, storage)

    def _shared(self, objective: Objective, identity: str, folder: Path, visualizer: Any) -> SharedSearch:
        from chop.actions.search.strategies.shared_run import SharedStudy, Worker
        from chop.actions.search.strategies.shared_search import Crew, SharedSearch

        setup, crew = self.setup, self.crew or Crew()
        shared = SharedStudy(
            self.address or StorageAddress.of_journal(folder / JOURNAL_NAME),
            setup.study_name or f"search-{identity}",
            identity,
            self._directions(objective),
            objective.value_names,
            self.plan.trials(setup.n_trials),
            setup.grace,
            crew.role.name if crew.role else None,
        )
        with shared.guarded():
            if crew.role is None and ABOUT not in shared.study.user_attrs:
                shared.study.set_user_attr(ABOUT, self._about(objective))
        worker = Worker(shared, self.plan, self.lengths, objective, visualizer=visualizer)
        return SharedSearch(shared, worker, crew, setup.timeout, self.progress_of(objective))


def _rises_or_falls(choices: list[Any]) -> bool:
    """Whether neighbouring choices resemble each other: numbers in their order."""
    if not all(isinstance(choice, (int, float)) and not isinstance(choice, bool) for choice in choices):
        return False
    return choices in (sorted(choices), sorted(choices, reverse=True))
