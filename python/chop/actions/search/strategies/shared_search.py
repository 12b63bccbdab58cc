"""A whole search on a shared study: by this process, by workers of this machine, or as one of those workers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.actions.search.results import SearchResult, best_entries, leave_results
from chop.actions.search.strategies.claims import ABANDONED, ATTEMPT, Ledger
from chop.actions.search.strategies.shared_run import POLL_SECONDS, SharedStudy, Worker
from chop.actions.search.strategies.supervisor import Role, Supervisor
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective

logger = get_logger(__name__)

SWEEP_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Crew:
    """Who does the work.

    Attributes:
        workers: processes to start; 0: this process measures by itself.
        command: what starts one of them.
        role: set in a process that is one of them.
    """

    workers: int = 0
    command: tuple[str, ...] = ()
    role: Role | None = None


class SharedSearch:
    """One run of a shared study.

    Args:
        shared: the study.
        worker: measures in this process.
        crew: who does the work.
        timeout: seconds for this run.
        open_progress: called with trials done and in all; returns a progress bar (a context manager).
    """

    def __init__(
        self,
        shared: SharedStudy,
        worker: Worker,
        crew: Crew,
        timeout: float | None,
        open_progress: Callable[[int, int], Any],
    ) -> None:
        self.shared, self.worker, self.crew = shared, worker, crew
        self.open_progress = open_progress
        if crew.role is not None:
            worker.deadline = crew.role.deadline
        elif timeout is not None:
            worker.deadline = time.time() + timeout
        self._bar: Any = None
        self._shown: set[int] = set()
        self._swept = time.monotonic()

    def run(self, objective: Objective, directions: list[Any], folder: Path) -> SearchResult:
        """Work until the study is complete or the time is up, then write the files.

        Raises:
            ChildProcessError: workers keep dying, or a trial was given up.
            ConnectionError: the storage does not answer.
            KeyboardInterrupt: Ctrl-C; what was claimed is put up again, and the files are written.
        """
        with self.shared.guarded():
            self.shared.claims.sweep(limit=self.shared.limit)
            self.shared.claims.revive(self.shared.limit)
            self._log_start()
        ended = False
        try:
            with self.open_progress(len(self._done()), self.shared.limit) as self._bar:
                self._work()
            ended = True
        finally:
            study = self.shared.in_memory(objective, directions)
            leave_results(study, folder, self.worker.visualizer, objective, ended)
        self._complain()
        path = self.shared.address.path if self.shared.address.kind == "journal" else None
        return SearchResult(
            study, self.shared.name, best_entries(study), folder, path, self.shared.address.label
        )

    def _work(self) -> None:
        if self.crew.workers:
            deadline = self.worker.deadline
            Supervisor(self.shared, self.crew.workers, self.crew.command, deadline, self._show).supervise()
            return
        while True:
            self.worker.work(self._between_trials)
            with self.shared.guarded():
                self._sweep()
                ledger = self.shared.claims.ledger()
            self._show(ledger)
            claimable = ledger.claimable(self.shared.limit)
            if self.worker.is_late() or not (claimable or ledger.in_state("RUNNING", self.shared.limit)):
                return
            if not claimable:  # others are at work; should one die, its trial is ours
                time.sleep(POLL_SECONDS)

    def _between_trials(self, ledger: Ledger) -> None:
        self._show(ledger)
        if time.monotonic() - self._swept > min(SWEEP_SECONDS, self.shared.grace / 4):
            self._sweep()

    def _sweep(self) -> None:
        self._swept = time.monotonic()
        for reason in self.shared.claims.sweep(limit=self.shared.limit):
            logger.warning("%s: its trial is tried again", reason)

    def _show(self, ledger: Ledger) -> None:
        done = ledger.done(self.shared.limit)
        self._bar.seen(trial for place, trial in done if place not in self._shown)
        self._shown.update(place for place, _ in done)
        self._bar.update(len(done) - self._bar.n)

    def _done(self) -> list[tuple[int, Any]]:
        return self.shared.ledger().done(self.shared.limit)

    def _log_start(self) -> None:
        import optuna

        sampler = self.worker.plan.describe(len(self.shared.study.directions))
        logger.info(
            "study %s in %s: sampler %s, optuna %s",
            self.shared.name, self.shared.address.label, sampler, optuna.__version__,
        )  # fmt: skip
        done, total = len(self._done()), self.shared.limit
        if done:
            state = "goes on" if done < total else "is complete"
            logger.info("%d trials of %d are there already: the study %s", done, total, state)

    def _complain(self) -> None:
        lost = self.shared.ledger().lost(self.shared.limit)
        if not lost or self.worker.is_late():
            return
        place, trial = lost[0]
        attempts = trial.user_attrs.get(ATTEMPT, 0) + 1
        raise ChildProcessError(
            f"{len(lost)} of {self.shared.limit} trials given up; trial {place} after {attempts} attempts: "
            f"{trial.user_attrs[ABANDONED]}; the same command tries again"
        )
