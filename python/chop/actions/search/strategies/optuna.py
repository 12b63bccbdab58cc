"""The strategy ``optuna``: a study in memory for the sampler, a journal on disk for everybody else.

Source: the keys of the set-up are MASE's. MASE pickles the study every few trials; here the journal holds
every trial as soon as it is finished, and the same command continues it. Workers measure; they write nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from chop.actions.search.journal.copying import copy_study, open_copy
from chop.actions.search.journal.storage import StorageAddress
from chop.actions.search.journal.study import (
    JOURNAL_NAME,
    NoJournal,
    StudyJournal,
    about_study,
)
from chop.actions.search.results import SearchResult, best_entries
from chop.actions.search.samplers import SamplerPlan
from chop.actions.search.strategies.lone_run import LoneRun
from chop.actions.search.strategies.quiet import quiet_optuna
from chop.actions.search.strategies.registry import STRATEGIES
from chop.actions.search.strategies.setup import StudySetup
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.crew import Crew
    from chop.actions.search.objective import Objective
    from chop.actions.search.search_space import SearchSpace

logger = get_logger(__name__)

MEMORY = "memory"
# What may change between two runs of one study.
RUN_KEYS = {"n_jobs", "n_trials", "timeout", "save_every_n_trials", "storage", "study_name"}


class OptunaSetup(StudySetup):
    """``[search.strategy.setup]``.

    Attributes:
        n_trials: trials in all, those of earlier runs of the same study included.
        timeout: seconds for this run; no new trial starts after that.
        sampler, sampler_options: a registered name and its options.
        multivariate, constant_liar: short for the TPE options of that name.
        save_every_n_trials: accepted as in MASE; the journal holds every trial anyway.
        batch: trials that are proposed before the first of them is measured, so that as many workers have something to
            do. Another batch is another study. Only samplers that learn from each trial need it.
        storage: URL of a storage that the finished study is copied to. "memory": no journal either, the study is gone
            with this process.
        study_name: its name; without it one that follows from the config, weights, rows and seed.
    """

    n_trials: int = Field(default=100, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    sampler: str = "tpe"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    multivariate: bool | None = None
    constant_liar: bool | None = None
    save_every_n_trials: int = Field(default=10, ge=1)
    batch: int = Field(default=1, ge=1, le=4096)
    storage: str | None = Field(default=None, min_length=1)
    study_name: str | None = Field(default=None, min_length=1)
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
        return self.model_dump(exclude=RUN_KEYS if self.batch > 1 else RUN_KEYS | {"batch"})


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
        self.crew: Crew | None = None  # set where other processes do the work
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
            ConfigError: a study of that name belongs to another search.
            RuntimeError: another command is at work on the study.
            ChildProcessError: trials ended their workers each time.
        """
        directions, names = objective.study_directions, objective.value_names
        name, copied = self.setup.study_name or f"search-{identity}", None
        with quiet_optuna():
            journal: StudyJournal | NoJournal
            if self.in_memory or folder is None:
                journal = NoJournal(name)
            else:
                if self._copies(folder):
                    assert self.address is not None
                    copied = open_copy(self.address, name, identity, directions)
                own = None if self.setup.study_name is None else identity
                journal = StudyJournal(
                    folder / JOURNAL_NAME, name, directions, names, self._about(objective), own
                )
            if self.crew is not None:
                objective.workers = self.crew.workers(objective, identity)
            run = LoneRun(self, objective, journal, visualizer)
            run.finish_and_leave(folder)
            if copied is not None:
                assert self.address is not None
                copy_study(run.study, copied, self.address)
        storage = MEMORY if self.in_memory else ""
        return SearchResult(run.study, name, best_entries(run.study), folder, journal.path, storage)

    def _copies(self, folder: Path) -> bool:
        """Whether the storage is another one than the journal itself."""
        if self.address is None:
            return False
        return self.address.path is None or self.address.path.resolve() != (folder / JOURNAL_NAME).resolve()

    def run_in_memory(self, objective: Objective, name: str) -> Any:
        """Run the study ``name`` without a file or a progress bar, and return it (Optuna's)."""
        with quiet_optuna():
            run = LoneRun(self, objective, NoJournal(name), None, silent=True)
            run.finish()
        return run.study

    def _about(self, objective: Objective) -> dict[str, Any]:
        who = self.plan.describe(len(objective.study_directions))
        return about_study(who, self.seed, objective.context.subject)


def _rises_or_falls(choices: list[Any]) -> bool:
    """Whether neighbouring choices resemble each other: numbers in their order."""
    if not all(isinstance(choice, (int, float)) and not isinstance(choice, bool) for choice in choices):
        return False
    return choices in (sorted(choices), sorted(choices, reverse=True))
