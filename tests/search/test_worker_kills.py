"""Kills, Ctrl-C and a server that goes away: what was acknowledged stays, what was not is done again, once."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chop.actions.search.strategies.claims import ABANDONED, OWN_ATTRIBUTES, Ledger
from chop.actions.search.strategies.storage import StorageAddress
from tests.search.searches import Search, children, kill, wait_until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up in /proc")

TRIALS = 36
SOAK_TRIALS = 260


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[dict[str, Any]]]:
    """The log of a run of one process that nobody disturbs."""
    logs: dict[int, list[dict[str, Any]]] = {}

    def of(trials: int) -> list[dict[str, Any]]:
        if trials not in logs:
            search = Search(tmp_path_factory.mktemp("undisturbed"), trials)
            search.start()
            search.finish()
            logs[trials] = search.log()
        return logs[trials]

    return of


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new storage of the kind in the test's parameter."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        return str(server.database(f"k{time.time_ns()}"))
    form = {"journal": "journal://{}/study.log", "sqlite": "sqlite:///{}/study.db"}[request.param]
    return form.format(tmp_path)


def trials_of(url: str) -> list[Any]:
    storage = StorageAddress(url).open()
    (study,) = storage.get_all_studies()
    return list(storage.get_all_trials(study._study_id))


def check(search: Search, url: str, undisturbed: list[dict[str, Any]]) -> list[Any]:
    """Nothing acknowledged lost, none counted twice, none left running, and the study of one process."""
    trials = trials_of(url)
    for number, values in search.acknowledged().items():
        assert trials[number].state.name == "COMPLETE" and str(trials[number].values) == values
    states = [trial.state.name for trial in trials]
    assert states.count("COMPLETE") == search.trials and set(states) <= {"COMPLETE", "FAIL"}
    ledger = Ledger(trials)
    assert [place for place, _ in ledger.done(10**6)] == list(range(search.trials))
    assert search.log() == undisturbed
    return [trial for trial in trials if trial.state.name == "FAIL"]


def kill_workers(search: Search, kills: int, draw: random.Random) -> int:
    """Kill a worker at a random moment, each time after some progress; return how many were working."""
    working = 0
    for _ in range(kills):
        search.wait_for(len(search.acknowledged()) + 2)
        time.sleep(draw.uniform(0, 0.2))
        pids = search.workers()
        if not pids:
            break
        kill(draw.choice(pids))
        working += 1
    return working


@pytest.mark.parametrize("storage", ["postgresql", "journal", "sqlite"], indirect=True)
def test_five_killed_workers(storage: str, tmp_path: Path, undisturbed: Any) -> None:
    search = Search(tmp_path / "run", TRIALS, "--storage", storage, "--workers", "2", nap=0.1)
    search.start()
    assert kill_workers(search, 5, random.Random(storage.partition(":")[0])) == 5
    search.finish()
    failed = check(search, storage, undisturbed(TRIALS))
    assert failed and all(ABANDONED in trial.user_attrs for trial in failed)
    assert search.said().count("was killed by signal 9; another one takes its place") == 5


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("storage", ["postgresql", "journal", "sqlite"], indirect=True)
def test_twenty_killed_workers(storage: str, seed: int, tmp_path: Path, undisturbed: Any) -> None:
    search = Search(tmp_path / "run", SOAK_TRIALS, "--storage", storage, "--workers", "2", nap=0.15)
    search.start()
    assert kill_workers(search, 20, random.Random(seed)) == 20
    search.finish(seconds=300)
    check(search, storage, undisturbed(SOAK_TRIALS))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak)]
)
def test_a_signal_in_the_middle_then_the_same_command(
    number: int, code: int, tmp_path: Path, undisturbed: Any
) -> None:
    search = Search(
        tmp_path / "run", 20, "--workers", "2", nap=0.6
    )  # so that it does not end before the signal
    url = f"journal://{tmp_path}/run/out/p/software/search_ckpts/study_journal.log"
    search.start()
    search.wait_for(6)
    pids, began = search.workers(), time.monotonic()
    assert search.process is not None and len(pids) == 2
    search.process.send_signal(number)
    # Where the machine has a queue, starting and ending a process alone takes seconds.
    allowed = 5 if os.getloadavg()[0] < 2 * (os.cpu_count() or 1) else 15
    search.finish(code, seconds=allowed)
    assert time.monotonic() - began < allowed and not set(pids) & set(children(search.process.pid))
    assert all(trial.state.name in ("COMPLETE", "FAIL", "WAITING") for trial in trials_of(url))
    before = len(search.acknowledged())
    assert 6 <= before < 20
    search.start()
    search.finish()
    assert f"{before} trials of 20 are there already: the study goes on" in search.said()
    check(search, url, undisturbed(20))


def test_a_killed_supervisor_takes_its_workers_along(tmp_path: Path, undisturbed: Any) -> None:
    search = Search(tmp_path / "run", 20, "--workers", "2", nap=0.15)
    process = search.start()
    search.wait_for(4)
    pids = search.workers()
    kill(process.pid)
    process.wait()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5)
    search.start()
    search.finish()
    url = f"journal://{tmp_path}/run/out/p/software/search_ckpts/study_journal.log"
    check(search, url, undisturbed(20))


def test_a_server_that_crashes_then_the_same_command(
    postgresql: Any, tmp_path: Path, undisturbed: Any
) -> None:
    url = postgresql.database(f"c{time.time_ns()}")
    search = Search(tmp_path / "run", 20, "--storage", url, "--workers", "2", nap=0.15)
    search.start()
    search.wait_for(6)
    postgresql.stop("immediate")
    try:
        search.finish(code=1, seconds=20)
    finally:
        postgresql.start()
    last = search.said().strip().splitlines()[-1]
    assert last.startswith(f"ch: storage '{url}' cannot be used: ") and "the same command goes on" in last
    search.start()
    search.finish()
    check(search, url, undisturbed(20))


def test_two_commands_join_one_study(tmp_path: Path, undisturbed: Any) -> None:
    """As on two machines: two folders, one storage, one of the two killed for good."""
    url = f"sqlite:///{tmp_path}/study.db"
    first, second = (
        Search(tmp_path / name, 20, "--storage", url, "--study", "both", nap=0.15) for name in ("a", "b")
    )
    for search in (first, second):
        search.start()
    first.wait_for(3)
    second.wait_for(3)
    assert first.process is not None
    kill(first.process.pid)
    first.process.wait()
    second.finish()
    assert second.log() == undisturbed(20)
    told = {**first.acknowledged(), **second.acknowledged()}
    assert len(told) == len(first.acknowledged()) + len(second.acknowledged())
    trials = trials_of(url)
    assert all(trials[number].state.name == "COMPLETE" for number in told)
    # The very last acknowledgement may have been cut off between the storage and the diary.
    assert len(told) in (19, 20)
    assert all(OWN_ATTRIBUTES & set(trial.user_attrs) for trial in trials)


def test_workers_that_cannot_start_end_the_run(tmp_path: Path) -> None:
    search = Search(tmp_path / "run", 20, "--workers", "2")
    plugin = search.folder / "plugin.py"
    dies = "import os\nif 'CHOP_SEARCH_WORKER' in os.environ:\n    os.kill(os.getpid(), 9)\n"
    plugin.write_text(dies + plugin.read_text())
    search.start()
    search.finish(code=1)
    last = search.said().strip().splitlines()[-1]
    assert last.startswith("ch: the workers keep dying: ") and "signal 9" in last
