"""The second half of an exhaustive search with ``train_front``: what the sweep proposes is trained, in a study."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.actions.search.journal.study import JOURNAL_NAME, StudyJournal, about_study
from chop.actions.search.results import SearchResult, best_entries
from chop.actions.search.samplers.front import FrontSampler, Grid
from chop.actions.search.strategies.lone_run import LoneRun
from chop.actions.search.strategies.quiet import quiet_optuna

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.search import QuantizationSpace, SweepReport

ABOUT_SAMPLER = "exhaustive, then training of the front and its neighbourhood"


class TrainedFront:
    """What :class:`LoneRun` asks a strategy for, with the points of a sweep.

    Args:
        space: of the configurations.
        report: of the sweep.
        values: of each of its rows as a trial has them, NaN where one is out of question.
        objective: trains and measures a point.
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
        most: int,
        margin: float,
    ) -> None:
        all_lengths = space.choice_lengths_flattened
        self.lengths = {name: n for name, n in all_lengths.items() if n > 1}
        self.setup = SimpleNamespace(n_trials=min(most, len(values)), timeout=None)
        self._objective, directions = objective, objective.study_directions
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

    def run(self, identity: str, folder: Path, visualizer: Any) -> SearchResult:
        """Train what is missing of the study, and write ``log.json``, ``best.json`` and the weights.

        Raises:
            RuntimeError: another process works on the same study.
        """
        objective, name = self._objective, f"search-{identity}"
        about = about_study(ABOUT_SAMPLER, objective.context.seed, objective.context.subject)
        with quiet_optuna():
            names = objective.value_names
            journal = StudyJournal(folder / JOURNAL_NAME, name, objective.study_directions, names, about)
            run = LoneRun(self, objective, journal, visualizer)
            run.finish_and_leave(folder)
        return SearchResult(run.study, name, best_entries(run.study), folder, journal.path)
