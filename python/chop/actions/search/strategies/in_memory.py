"""A study of the strategy ``optuna`` that leaves nothing on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.actions.search.strategies.optuna import SearchStrategyOptuna


class MemoryJournal:
    """Stands where a run expects the journal file: it holds nothing and keeps nothing.

    Args:
        name: of the study.
    """

    path = None

    def __init__(self, name: str) -> None:
        self.name = name

    def trials(self) -> list[Any]:
        """None from an earlier run."""
        return []

    def append(self, trial: Any) -> None:
        """The study in memory has it already."""

    def sampler_state(self) -> dict[str, Any]:
        """None from an earlier run."""
        return {}

    def save_sampler_state(self, attributes: Mapping[str, Any]) -> None:
        """The study in memory has it already."""


def run_in_memory(strategy: SearchStrategyOptuna, objective: Objective, name: str) -> Any:
    """Run a study by the strategy's own loop, without a file or a progress bar, and return it.

    Args:
        strategy: with sampler, seed and number of trials.
        objective: what it has measured before is not measured again; see ``Objective.fresh``.
        name: of the study.
    """
    from chop.actions.search.strategies.optuna import _quiet_optuna, _Run

    with _quiet_optuna():
        run = _Run(strategy, objective, MemoryJournal(name), strategy._directions(objective), None)
        run.finish()
    return run.study
