"""A study that several processes work on: every trial is claimed in the storage before it is measured."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from chop.actions.search.journal.study import SAMPLER_STATE
from chop.actions.search.samplers.whole_config import WholeConfigSampler
from chop.actions.search.strategies.claims import BEAT, OWN_ATTRIBUTES, Claims, Ledger
from chop.actions.search.strategies.owner import this_process
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.actions.search.samplers import SamplerPlan
    from chop.actions.search.strategies.storage import StorageAddress

logger = get_logger(__name__)

IDENTITY = "chop:identity"
POLL_SECONDS = 0.3
BEATS_IN_GRACE = 6


class SharedStudy:
    """A study in a storage, made if it is not there.

    Args:
        address: of the storage.
        name: of the study.
        identity: digest of all that the study depends on.
        directions, metric_names: of its objectives.
        limit: trials in all.
        grace: seconds after which a silent process of another machine counts as dead.
        worker: name of this process in the trials; one is made up without it.

    Raises:
        ConfigError: a study of that name is there and belongs to another search.
        ConnectionError: the storage does not answer.
    """

    def __init__(
        self,
        address: StorageAddress,
        name: str,
        identity: str,
        directions: list[Any],
        metric_names: list[str],
        limit: int,
        grace: float,
        worker: str | None = None,
    ) -> None:
        import optuna

        self.address, self.name, self.limit, self.grace = address, name, limit, grace
        with self.guarded():
            storage = address.open()
            self.study = optuna.create_study(
                storage=storage, study_name=name, directions=directions, load_if_exists=True
            )
            self._check_identity(identity, metric_names)
            study_id = storage.get_study_id_from_name(name)
            self.claims = Claims(storage, study_id, this_process(worker), grace)
            self._hand_over_sampler_state(study_id)

    def guarded(self) -> contextlib.AbstractContextManager[None]:
        """Say in one sentence that the storage failed, where it did."""
        return self.address.failures(ConnectionError)

    def _check_identity(self, identity: str, metric_names: list[str]) -> None:
        known = self.study.user_attrs.get(IDENTITY)
        if known is None and (self.name.endswith(identity) or not self.study.get_trials(deepcopy=False)):
            self.study.set_user_attr(IDENTITY, identity)
            self.study.set_metric_names(metric_names)
        elif known != identity:
            raise ConfigError(
                f"study {self.name!r} in {self.address.label} belongs to another search: config, weights, "
                "rows or seed differ; give this one another name (study_name, --study)"
            )

    def _hand_over_sampler_state(self, study_id: int) -> None:
        """A run of one process kept the sampler's attributes in one of its own."""
        storage = self.claims.storage
        there = storage.get_study_system_attrs(study_id)
        for key, value in there.get(SAMPLER_STATE, {}).items():
            if key not in there:
                storage.set_study_system_attr(study_id, key, value)

    def ledger(self) -> Ledger:
        """Read the study."""
        with self.guarded():
            return self.claims.ledger()

    def in_memory(self, objective: Objective, directions: list[Any]) -> Any:
        """Return a copy in memory in which a trial's number is its place.

        A place that no trial has finished yet is a waiting trial. Repeated configurations are marked anew, in
        the order of places, so that the copy does not depend on who measured what.
        """
        import optuna

        ledger = self.ledger()
        done = dict(ledger.done(len(ledger.chains)))
        study = optuna.create_study(directions=directions, study_name=self.name)
        first: dict[Any, int] = {}
        for place in range(max(done, default=-1) + 1):
            study.add_trial(_plain(done.get(place), place, objective, first))
        return study


def _plain(trial: Any, place: int, objective: Objective, first: dict[Any, int]) -> Any:
    import optuna

    if trial is None:
        return optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING)
    attributes = {k: v for k, v in trial.user_attrs.items() if k not in OWN_ATTRIBUTES}
    attributes.pop("repeat_of", None)
    earlier = first.setdefault(objective.key(trial.params), place)
    if earlier != place:
        attributes["repeat_of"] = earlier
    return optuna.trial.FrozenTrial(
        number=place, trial_id=place, state=trial.state, value=None, values=trial.values,
        datetime_start=trial.datetime_start, datetime_complete=trial.datetime_complete, params=trial.params,
        distributions=trial.distributions, user_attrs=attributes, system_attrs=trial.system_attrs,
        intermediate_values={},
    )  # fmt: skip


class Worker:
    """Claims trials of a shared study and measures them, one at a time.

    Args:
        shared: the study.
        plan: makes the sampler of a trial.
        lengths: parameter -> number of choices (more than one).
        objective: measures a point.
        deadline: seconds since 1970; nothing is claimed after that.
        visualizer: receives the scaled metrics of each trial.
    """

    def __init__(
        self,
        shared: SharedStudy,
        plan: SamplerPlan,
        lengths: dict[str, int],
        objective: Objective,
        deadline: float | None = None,
        visualizer: Any = None,
    ) -> None:
        self.shared, self.plan, self.lengths, self.objective = shared, plan, lengths, objective
        self.deadline, self.visualizer = deadline, visualizer
        self._remembered: set[int] = set()

    def work(self, after_each: Callable[[Ledger], None] | None = None) -> None:
        """Measure until there is nothing to claim any more.

        Raises:
            KeyboardInterrupt: the trial in hand is put up again first.
            ConnectionError: the storage does not answer.
        """
        with self.shared.guarded():
            while not self.is_late():
                ledger = self.shared.claims.ledger()
                if after_each is not None:
                    after_each(ledger)
                self._remember(ledger)
                claimed = self.shared.claims.claim(self.shared.limit, ledger)
                if claimed is None:
                    return
                self._run(*claimed)

    def is_late(self) -> bool:
        """True after the deadline."""
        return self.deadline is not None and time.time() > self.deadline

    def _remember(self, ledger: Ledger) -> None:
        for place, trial in ledger.done(self.shared.limit):
            if place not in self._remembered:
                self._remembered.add(place)
                if len(trial.params) == len(self.lengths):
                    self.objective.remember(trial.params, place, trial.user_attrs)

    def _run(self, place: int, trial_id: int) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        claims = self.shared.claims
        try:
            with self._heartbeat(trial_id):
                values = self._measure(place, trial_id)
            self._acknowledge(trial_id, values)
            self._remembered.add(place)
        except BaseException as error:
            frozen = claims.storage.get_trial(trial_id)
            if not frozen.state.is_finished():
                stopped = isinstance(error, (KeyboardInterrupt, SystemExit))
                reason = "its worker was stopped" if stopped else f"{type(error).__name__}: {error}"[:500]
                claims.abandon(frozen, reason, claims.ledger(), counts=not stopped)
            elif isinstance(error, (UpdateFinishedTrialError, ValueError)):
                logger.warning("trial %d was given to another worker meanwhile", frozen.number)
                return
            raise

    def _acknowledge(self, trial_id: int, values: list[float]) -> None:
        """End the trial, as Study.tell does; it is on disk when this returns."""
        from optuna.trial import TrialState

        study, storage = self.shared.study, self.shared.claims.storage
        failed = any(math.isnan(value) for value in values)
        state = TrialState.FAIL if failed else TrialState.COMPLETE
        if not isinstance(study.sampler, WholeConfigSampler):
            trial = storage.get_trial(trial_id)
            study.sampler.after_trial(study, trial, state, None if failed else values)
        storage.set_trial_state_values(trial_id, state, None if failed else values)

    def _measure(self, place: int, trial_id: int) -> list[float]:
        storage = self.shared.claims.storage
        indexes = self._propose(place, trial_id)
        outcome = self.objective.measure(indexes, place)
        self.objective.weights.write(outcome.user_attributes())
        for key, value in outcome.user_attributes().items():
            storage.set_trial_user_attr(trial_id, key, value)
        if outcome.excesses:
            from optuna.trial import Trial

            trial = Trial(self.shared.study, trial_id)
            for key, value in outcome.excesses.items():
                trial.set_constraint(key, value)
        if self.visualizer is not None:
            self.visualizer.log_metrics(outcome.scaled, step=place)
        return outcome.values

    def _propose(self, place: int, trial_id: int) -> dict[str, int]:
        """Ask the sampler, or the abandoned trial that this one repeats; write the parameters."""
        import optuna

        storage, study = self.shared.claims.storage, self.shared.study
        study.sampler = self.plan.build(place)
        if isinstance(study.sampler, WholeConfigSampler):
            # The place alone decides; Optuna would read the trial again for each parameter.
            indexes = dict(zip(self.lengths, study.sampler.propose(place).tolist(), strict=True))
            for name, index in indexes.items():
                distribution = optuna.distributions.IntDistribution(0, self.lengths[name] - 1)
                storage.set_trial_param(trial_id, name, index, distribution)
            return indexes
        study._thread_local.cached_all_trials = None  # as Study.ask does for each trial
        trial = optuna.trial.Trial(study, trial_id)
        return {name: trial.suggest_int(name, 0, n - 1) for name, n in self.lengths.items()}

    @contextlib.contextmanager
    def _heartbeat(self, trial_id: int) -> Iterator[None]:
        """Let the others see every now and then that a long trial is alive."""
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(trial_id, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, trial_id: int, ended: threading.Event) -> None:
        count = 0
        while not ended.wait(self.shared.grace / BEATS_IN_GRACE):
            count += 1
            # A storage that is away for a while, or a trial taken away: the main thread will find out.
            with contextlib.suppress(Exception):
                self.shared.claims.storage.set_trial_user_attr(trial_id, BEAT, count)
