"""Places, claims and retries on a storage: every interleaving that can go wrong, and every crash in between."""

from __future__ import annotations

import itertools
import time
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from chop.actions.search.strategies.claims import ABANDONED, MOST_RETRIES, RETRY_OF, SURPLUS, Claims
from chop.actions.search.strategies.owner import is_alive, is_here, place, this_process

GONE = {"id": "gone", "host": "here", "place": place(), "pid": 2**22 + 7, "started": 1}
FAR = {"id": "far", "host": "far", "place": "far away", "pid": 1, "started": 1}


@pytest.fixture
def storage() -> Any:
    return optuna.storages.InMemoryStorage()


@pytest.fixture
def claims(storage: Any) -> Any:
    """Make one more process on the same study: ``claims("name")`` or ``claims(owner)``."""
    study = storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "s")

    def of(owner: Any, grace: float = 60.0) -> Claims:
        return Claims(storage, study, this_process(owner) if isinstance(owner, str) else owner, grace)

    return of


def states(of: Claims) -> list[str]:
    return [trial.state.name for trial in of.storage.get_all_trials(of.study_id)]


def finish(of: Claims, trial_id: int) -> None:
    of.storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.0])


def claim(of: Claims, limit: int = 4) -> tuple[int, int] | None:
    return of.claim(limit, of.ledger())


def test_every_place_is_claimed_once(claims: Any) -> None:
    a, b = claims("a"), claims("b")
    stale = a.ledger()
    got = [claim(of) for of in (a, b, claims("d"), claims("e"))]
    assert [g[0] for g in got if g] == [0, 1, 2, 3]
    assert claim(claims("f")) is None
    # One that had looked before the others filled the study makes a trial too many and ends it.
    late = claims("c")
    assert late.claim(4, stale) is None
    assert states(late) == ["RUNNING"] * 4 + ["FAIL"]
    assert late.storage.get_all_trials(late.study_id)[4].user_attrs[ABANDONED] == SURPLUS


def test_a_larger_study_takes_up_what_was_surplus(claims: Any) -> None:
    a, b = claims("a"), claims("b")
    stale = b.ledger()
    first = a.claim(1, a.ledger())
    assert first is not None and b.claim(1, stale) is None
    assert [claim(claims(name), 3)[0] for name in "cd"] == [1, 2]  # type: ignore[index]
    assert claim(claims("e"), 3) is None
    assert [p for p, _ in a.ledger().in_state("RUNNING", 3)] == [0, 1, 2]


def test_a_worker_that_dies_with_a_trial_too_many(claims: Any) -> None:
    """Between making it and seeing that the study is full: nothing is left waiting, and a larger study takes it up."""
    living, dead = claims("living"), claims(GONE)
    first = claim(living, 1)
    assert first is not None
    finish(living, first[1])
    assert claim(dead, 2) is not None
    assert living.sweep(limit=1) == [] and states(living) == ["COMPLETE", "FAIL"]
    assert living.sweep(limit=1) == [] and states(living) == ["COMPLETE", "FAIL"]
    assert claim(living, 1) is None
    assert claim(living, 2)[0] == 1 and states(living) == ["COMPLETE", "FAIL", "RUNNING"]  # type: ignore[index]


def test_what_a_dead_worker_left_is_tried_again(claims: Any) -> None:
    dead, living = claims(GONE), claims("living")
    place_, trial_id = claim(dead)  # type: ignore[misc]
    dead.storage.set_trial_param(trial_id, "x", 2, optuna.distributions.IntDistribution(0, 3))
    (reason,) = living.sweep()
    assert "worker gone (process 4194311 on here) ended" in reason
    assert living.sweep() == []
    again, new_id = claim(living)  # type: ignore[misc]
    new = living.storage.get_trial(new_id)
    assert again == place_ and new_id != trial_id
    assert new.user_attrs[RETRY_OF] == 0 and new.system_attrs["fixed_params"] == {"x": 2}
    assert living.storage.get_trial(trial_id).state == TrialState.FAIL
    assert claim(claims("other"))[0] == 1  # type: ignore[index]


def test_retries_end(claims: Any) -> None:
    living = claims("living")
    for attempt in range(MOST_RETRIES + 1):
        assert claim(claims(GONE), 1)[0] == 0  # type: ignore[index]
        living.sweep()
        assert len(living.ledger().lost(1)) == (attempt == MOST_RETRIES)
    assert claim(living, 1) is None
    living.revive(1)  # the same command again
    assert claim(living, 1)[0] == 0  # type: ignore[index]


def test_two_sweeps_at_once_make_one_retry_that_counts(claims: Any) -> None:
    a, b = claims("a"), claims("b")
    claim(claims(GONE))
    trial = a.storage.get_all_trials(a.study_id)[0]
    before = a.ledger()
    a.abandon(trial, "dead", before)
    b.abandon(trial, "dead", before)  # had read the study before a wrote
    assert states(a) == ["FAIL", "WAITING", "WAITING"]
    a.sweep()
    assert states(a) == ["FAIL", "WAITING", "FAIL"]
    assert [claim(claims(name))[0] for name in "cde"] == [0, 1, 2]  # type: ignore[index]
    assert sum(t.state.name == "RUNNING" for _, t in a.ledger().current(9)) == 3


def test_a_trial_that_was_given_away_and_finished_after_all(claims: Any) -> None:
    a, b = claims("a"), claims("b")
    place_, trial_id = claim(a)  # type: ignore[misc]
    trial = a.storage.get_trial(trial_id)
    b._put_up_again(trial, 1)  # b dies here, or a is faster
    finish(a, trial_id)
    assert [p for p, _ in b.ledger().done(4)] == [place_]
    assert claim(b)[0] == 1  # type: ignore[index]
    b.sweep()
    assert states(b) == ["COMPLETE", "FAIL", "RUNNING"]


@pytest.mark.parametrize("crash", range(4))
def test_a_sweeper_that_dies_at_any_step_loses_nothing(
    crash: int, claims: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = claims("first"), claims("second")
    claim(claims(GONE))
    steps = itertools.count()
    with monkeypatch.context() as patched:
        for name in ("create_new_trial", "set_trial_user_attr", "set_trial_state_values"):
            operation = getattr(first.storage, name)

            def step(*arguments: Any, _do: Any = operation, **keywords: Any) -> Any:
                if next(steps) == crash:
                    raise KeyboardInterrupt
                return _do(*arguments, **keywords)

            patched.setattr(first.storage, name, step)
        if crash < 3:
            with pytest.raises(KeyboardInterrupt):
                first.sweep()
        else:
            first.sweep()
    second.sweep()
    places = []
    while (got := claim(second)) is not None:
        places.append(got[0])
        finish(second, got[1])
    assert sorted(places) == [0, 1, 2, 3] and len(second.ledger().done(4)) == 4
    assert "RUNNING" not in states(second) and "WAITING" not in states(second)


def test_a_worker_that_dies_between_claiming_and_signing(claims: Any) -> None:
    a = claims("a")
    claim(claims(GONE))
    a.sweep()
    (waiting,) = (trial for _, trial in a.ledger().in_state("WAITING", 4))
    # It lost the race for this trial to one that died before it could sign.
    a.storage.set_trial_user_attr(waiting._trial_id, "worker", a.owner)
    a.storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
    assert claim(a)[0] == 0  # type: ignore[index]


def test_other_machines_are_judged_by_their_signs_of_life(
    claims: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    far, here = claims(FAR), claims("here", grace=10.0)
    _, trial_id = claim(far)  # type: ignore[misc]
    for beat in range(3):
        assert here.sweep() == []
        now[0] += 9
        far.storage.set_trial_user_attr(trial_id, "beat", beat)
    assert here.sweep() == []
    now[0] += 9
    assert here.sweep() == []
    now[0] += 2
    assert here.sweep() == ["worker far on far gave no sign of life for 10 s"]


def test_processes() -> None:
    me = this_process()
    assert is_here(me) and is_alive(me)
    assert not is_alive(GONE) and not is_here(FAR)
    if me["started"] is not None:
        assert not is_alive({**me, "started": me["started"] - 1})  # a number that was given anew
