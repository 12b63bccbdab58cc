"""Who works on which place of a study, kept in the study itself, so that every storage can do it.

A study of n trials has the places 0..n-1. A trial takes the next place when it is made; a trial that is tried
again (``retry_of``) takes over the place of the one that was abandoned. Both follow from the order of trials
alone, so all processes see the same places without a lock. What has to be atomic is one operation of the
storage: making a trial (its number), waiting -> running (one claims it), and running -> finished (one ends it).
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping
from typing import Any

from chop.actions.search.strategies.owner import is_alive, is_here
from chop.tools.logger import get_logger

logger = get_logger(__name__)

# User attributes of a claimed trial.
WORKER = "worker"  # who claimed it
BEAT = "beat"  # grows while a long trial runs
ABANDONED = "abandoned"  # why it did not finish
RETRY_OF = "retry_of"  # number of the abandoned trial that this one repeats
ATTEMPT = "attempt"  # how often its place was abandoned before
OWN_ATTRIBUTES = frozenset({WORKER, BEAT, ABANDONED, RETRY_OF, ATTEMPT})

MOST_RETRIES = 3
SURPLUS = "not needed: the study was full"


def was_claimed(trial: Any) -> bool:
    """True for a trial that a :class:`Claims` made or took."""
    return not trial.state.is_finished() or WORKER in trial.user_attrs or ABANDONED in trial.user_attrs


class Ledger:
    """The places of a study, read off its trials.

    Args:
        trials: all trials, by number.

    Attributes:
        chains: for each place its trials: the first, and those that tried it again.
        place_of: trial number -> place; a retry that does not count has none.
        void: waiting trials that nobody has to run.
    """

    def __init__(self, trials: list[Any]) -> None:
        self.chains: list[list[Any]] = []
        self.place_of: dict[int, int] = {}
        self.void: list[Any] = []
        self.retried: set[int] = set()
        for trial in trials:
            origin = trial.user_attrs.get(RETRY_OF)
            if origin is None:
                self.place_of[trial.number] = len(self.chains)
                self.chains.append([trial])
            else:
                self._add_retry(trial, origin)

    def _add_retry(self, trial: Any, origin: int) -> None:
        place = self.place_of.get(origin)
        first = place is not None and origin not in self.retried
        self.retried.add(origin)
        before = self.chains[place][-1] if place is not None else None
        if first and before is not None and place is not None and is_lost(before):
            self.place_of[trial.number] = place
            self.chains[place].append(trial)
        elif trial.state.name == "WAITING" and (not first or before is None or before.state.is_finished()):
            self.void.append(trial)

    def current(self, limit: int) -> Iterator[tuple[int, Any]]:
        """Yield place and latest trial of the places below ``limit`` that there are already."""
        for place, chain in enumerate(self.chains[:limit]):
            yield place, chain[-1]

    def in_state(self, name: str, limit: int) -> list[tuple[int, Any]]:
        """Places whose latest trial is "WAITING" or "RUNNING"."""
        return [(place, trial) for place, trial in self.current(limit) if trial.state.name == name]

    def lost(self, limit: int) -> list[tuple[int, Any]]:
        """Places whose latest trial was abandoned and that nobody tries again."""
        return [(place, trial) for place, trial in self.current(limit) if is_lost(trial)]

    def done(self, limit: int) -> list[tuple[int, Any]]:
        """Places whose trial came to its own end."""
        return [(p, t) for p, t in self.current(limit) if t.state.is_finished() and not is_lost(t)]

    def claimable(self, limit: int) -> int:
        """How many places a worker could start on now."""
        return len(self.in_state("WAITING", limit)) + max(0, limit - len(self.chains))


def is_lost(trial: Any) -> bool:
    """True for a trial that ended because its worker did."""
    return trial.state.name == "FAIL" and ABANDONED in trial.user_attrs


def _name(trial: Any) -> Any:
    return trial.user_attrs.get(WORKER, {}).get("id")


class Claims:
    """Claims, ends and recovers trials of one study.

    Args:
        storage: an Optuna storage.
        study_id: of the study there.
        owner: what :func:`chop.actions.search.strategies.owner.this_process` returns.
        grace: seconds without a sign of life after which a process of another machine counts as dead.
    """

    def __init__(self, storage: Any, study_id: int, owner: Mapping[str, Any], grace: float) -> None:
        self.storage, self.study_id, self.owner, self.grace = storage, study_id, dict(owner), grace
        self._signs: dict[int, tuple[Any, float]] = {}

    def ledger(self) -> Ledger:
        """Read the study."""
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False)
        return Ledger(sorted(trials, key=lambda trial: trial.number))

    def claim(self, limit: int, ledger: Ledger) -> tuple[int, int] | None:
        """Claim a place below ``limit``: one that was abandoned, else a new one.

        Returns:
            Place and Optuna's trial id; None where there is nothing left to start on.
        """
        from optuna.trial import TrialState

        ledger = self._tidy(limit, ledger)
        for place, trial in ledger.in_state("WAITING", limit):
            # Before and after: whoever dies in between is still known.
            self._try(self.storage.set_trial_user_attr, trial._trial_id, WORKER, self.owner)
            if self._try(self.storage.set_trial_state_values, trial._trial_id, TrialState.RUNNING):
                self._try(self.storage.set_trial_user_attr, trial._trial_id, WORKER, self.owner)
                return place, trial._trial_id
        if len(ledger.chains) >= limit:
            return None
        trial_id = self._make(TrialState.RUNNING, {WORKER: self.owner})
        chains = self.ledger().chains
        place = next(p for p in range(len(chains) - 1, -1, -1) if chains[p][0]._trial_id == trial_id)
        if place < limit:
            return place, trial_id
        self._end(trial_id, SURPLUS)
        return None

    def _tidy(self, limit: int, ledger: Ledger) -> Ledger:
        """Put up again what a smaller study did not need, and what bears this idle process's name."""
        full = [t for _, t in ledger.lost(limit) if t.user_attrs[ABANDONED] == SURPLUS]
        mine = [t for _, t in ledger.in_state("RUNNING", limit) if _name(t) == self.owner["id"]]
        for trial in full:
            self._put_up_again(trial, 0)
        for trial in mine:
            self.abandon(trial, "claimed by two workers, of which one ended", ledger)
        return self.ledger() if full or mine else ledger

    def abandon(self, trial: Any, reason: str, ledger: Ledger, counts: bool = True) -> None:
        """End a running trial that will not finish, after putting its place and parameters up again.

        Args:
            trial: as it is in the storage.
            reason: written into the trial.
            ledger: read after the trial was made.
            counts: False where it was stopped on purpose; else it is tried again ``MOST_RETRIES`` times.
        """
        attempt = trial.user_attrs.get(ATTEMPT, 0) + int(counts)
        # The new trial comes first: whoever dies in between leaves this one running, to be found again.
        if attempt <= MOST_RETRIES and trial.number not in ledger.retried:
            self._put_up_again(trial, attempt)
        self._end(trial._trial_id, reason)

    def sweep(self, counts: bool = True, limit: int | None = None) -> list[str]:
        """Abandon the running trials of dead processes; return the reasons.

        Args:
            counts: False where the processes were ended on purpose.
            limit: places of the study; what a dead process began beyond them is not tried again.
        """
        ledger, reasons = self.ledger(), []
        running = [trial for chain in ledger.chains for trial in chain if trial.state.name == "RUNNING"]
        for trial in running:
            reason = self._why_lost(trial)
            if reason is not None and limit is not None and ledger.place_of[trial.number] >= limit:
                self._end(trial._trial_id, SURPLUS)
            elif reason is not None:
                self.abandon(trial, reason, ledger, counts)
                reasons.append(reason)
        for trial in ledger.void:
            self._end(trial._trial_id, "not needed: another trial has its place")
        return reasons

    def revive(self, limit: int) -> None:
        """Put up again the places that were given up."""
        ledger = self.ledger()
        for _place, trial in ledger.lost(limit):
            self._put_up_again(trial, 0)

    def _put_up_again(self, trial: Any, attempt: int) -> None:
        from optuna.trial import TrialState

        attributes = {RETRY_OF: trial.number, ATTEMPT: attempt}
        self._make(TrialState.WAITING, attributes, {"fixed_params": dict(trial.params)})

    def _make(self, state: Any, attributes: dict[str, Any], system: dict[str, Any] | None = None) -> int:
        from optuna.trial import FrozenTrial, TrialState

        start = datetime.datetime.now() if state == TrialState.RUNNING else None
        template = FrozenTrial(
            number=-1, trial_id=-1, state=state, value=None, datetime_start=start, datetime_complete=None,
            params={}, distributions={}, user_attrs=attributes, system_attrs=system or {},
            intermediate_values={},
        )  # fmt: skip
        return int(self.storage.create_new_trial(self.study_id, template_trial=template))

    def _end(self, trial_id: int, reason: str) -> None:
        from optuna.trial import TrialState

        self._try(self.storage.set_trial_user_attr, trial_id, ABANDONED, reason)
        self._try(self.storage.set_trial_state_values, trial_id, TrialState.FAIL)

    @staticmethod
    def _try(operation: Any, *arguments: Any) -> bool:
        """Do it unless the trial has come to its end meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            return operation(*arguments) is not False
        except UpdateFinishedTrialError:
            return False

    def _why_lost(self, trial: Any) -> str | None:
        owner = trial.user_attrs.get(WORKER)
        if owner is not None and is_here(owner):
            if is_alive(owner):
                return None
            return f"worker {owner['id']} (process {owner['pid']} on {owner['host']}) ended"
        sign, now = (owner, trial.user_attrs.get(BEAT)), time.monotonic()
        seen, since = self._signs.setdefault(trial._trial_id, (sign, now))
        if seen != sign:
            self._signs[trial._trial_id] = (sign, now)
        elif now - since > self.grace:
            who = f"worker {owner['id']} on {owner['host']}" if owner else "its worker"
            return f"{who} gave no sign of life for {self.grace:g} s"
        return None
