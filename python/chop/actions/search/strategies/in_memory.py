"""A study of the strategy ``optuna`` that leaves nothing on disk and says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chop.actions.search.strategies.journal import NoJournal
from chop.actions.search.strategies.lone_run import LoneRun

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.actions.search.strategies.optuna import SearchStrategyOptuna


class _Quiet(LoneRun):
    def _log_start(self, missing: int) -> None:
        """One of many runs."""


def run_in_memory(strategy: SearchStrategyOptuna, objective: Objective, name: str) -> Any:
    """Run a study by the strategy's own loop, without a file or a progress bar, and return it.

    Args:
        strategy: with sampler, seed and number of trials.
        objective: what it has measured before is not measured again; see ``Objective.fresh``.
        name: of the study.
    """
    from chop.actions.search.strategies.optuna import _quiet_optuna

    directions, silent = strategy._directions(objective), strategy._progress_of(objective, silent=True)
    with _quiet_optuna():
        run = _Quiet(strategy, objective, NoJournal(name), directions, None, silent)
        run.finish()
    return run.study
