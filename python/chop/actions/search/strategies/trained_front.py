"""The second half of an exhaustive search with ``train_front``: what the sweep proposes is trained, in a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.actions.search.journal.study import JOURNAL_NAME, StudyIsShared, StudyJournal, about_study
from chop.actions.search.results import SearchResult, best_entries, leave_results
from chop.actions.search.samplers.front import FrontSampler, Grid
from chop.actions.search.strategies.lone_run import LoneRun
from chop.actions.search.strategies.progress import Progress, progress_of
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.search import QuantizationSpace, SweepReport

logger = get_logger(__name__)

ABOUT_SAMPLER = "exhaustive, then training of the front and its neighbourhood"


class TrainedFront:
    """What :class:`LoneRun` asks a strategy for, with the points of a sweep.

    Args:
        space: of the configurations.
        report: of the sweep.
        values: of each of its rows as a trial has them, NaN where one is out of question.
        objective: trains and measures a point.
        directions: of the study.
        most: trials in all.
        margin: how far behind the front the first trials may lie.
    """

    each_trial = False

    def __init__(
        self,
        space: QuantizationSpace,
        report: SweepReport,
        values: np.ndarray,
        objective: Objective,
        directions: list[Any],
        most: int,
        margin: float,
    ) -> None:
        all_lengths = space.choice_lengths_flattened
        self.lengths = {name: n for name, n in all_lengths.items() if n > 1}
        self.setup = SimpleNamespace(n_trials=min(most, len(values)), timeout=None)
        self._objective, self._directions = objective, directions
        grid = Grid(all_lengths, report.results["configuration"])
        self._make = lambda: FrontSampler(grid, values, directions, most, margin, list(self.lengths))

    @property
    def plan(self) -> TrainedFront:
        """Makes the sampler: this very object."""
        return self

    def trials(self, asked: int) -> int:
        """Return how many trials there may be."""
        return asked

    def build(self, number: int) -> FrontSampler:
        """Return the sampler, which is to be told all trials first."""
        return self._make()

    def describe(self, objectives: int) -> str:
        """Return what proposes, in words."""
        return ABOUT_SAMPLER

    def progress_of(self, objective: Objective, silent: bool = False) -> Callable[[int, int], Progress]:
        """Return what opens the progress bar, given trials done and in all."""
        return progress_of(objective, self._directions, silent)

    def run(self, identity: str, folder: Path, visualizer: Any) -> SearchResult:
        """Train what is missing of the study, and write ``log.json``, ``best.json`` and the weights.

        Raises:
            RuntimeError: another process works on the same study.
        """
        from chop.actions.search.strategies.quiet import quiet_optuna

        with quiet_optuna():
            return self._run(identity, folder, visualizer)

    def _run(self, identity: str, folder: Path, visualizer: Any) -> SearchResult:
        objective = self._objective
        about = about_study(ABOUT_SAMPLER, objective.context.seed, objective.context.subject)
        name = f"search-{identity}"
        journal = StudyJournal(folder / JOURNAL_NAME, name, self._directions, objective.value_names, about)
        run = LoneRun(self, objective, journal, self._directions, visualizer)
        try:
            run.finish()
        except BaseException as error:
            if not isinstance(error, StudyIsShared):
                leave_results(run.study, folder, visualizer, objective)
            raise
        leave_results(run.study, folder, visualizer, objective, ended=True)
        return SearchResult(run.study, name, best_entries(run.study), folder, journal.path)
