"""What both pools keep: every item once, refusals by name, the error of user code, kills without a trace."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from chop.pool import LostItemsError, Pool, Recipe, Source, ThisProcess, open_pool
from chop.tools.errors import ConfigError
from tests.pool import work
from tests.pool.cluster import Cluster, running

distributed = pytest.importorskip("distributed", reason="distributed is not installed: pip install '.[dist]'")


def recipe(**options: Any) -> Recipe:
    return Recipe(dict(options), Source("tests.pool.work:build", options), "same", threading.Event())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster"), 2, ttl="6s") as found:
        yield found


@pytest.fixture(scope="module")
def on_dask(cluster: Cluster) -> Iterator[Pool]:
    with open_pool(cluster=str(cluster.file)) as pool:
        yield pool


@pytest.fixture(params=["this process", "threads", "dask"])
def pool(request: pytest.FixtureRequest) -> Pool:
    if request.param == "dask":
        return request.getfixturevalue("on_dask")
    return ThisProcess(1 if request.param == "this process" else 3)


def test_every_item_comes_back_once(pool: Pool) -> None:
    assert sorted(pool.run(work.double, recipe(), range(50))) == [(i, 2 * i) for i in range(50)]
    assert list(pool.run(work.double, recipe(), [])) == []


def test_a_timeout_of_user_code_is_an_error_like_others(pool: Pool) -> None:
    with pytest.raises(TimeoutError, match="no answer to 3"):
        list(pool.run(work.late, recipe(), [3]))


def test_an_error_of_user_code_is_told_as_it_is_and_not_tried_again(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no 3"):
        list(pool.run(work.raises, recipe(log=str(tmp_path / "log")), [3]))
    assert (tmp_path / "log").read_text() == "3\n"


def test_closing_ends_the_work(pool: Pool) -> None:
    found = pool.run(work.double, recipe(seconds=0.05), range(1000))
    next(found)
    begin = time.monotonic()
    found.close()  # type: ignore[attr-defined]
    assert sorted(pool.run(work.double, recipe(), range(4))) == [(i, 2 * i) for i in range(4)]
    assert time.monotonic() - begin < 30


def test_torch_has_one_thread_in_a_worker(on_dask: Pool) -> None:
    assert list(on_dask.run(work.threads, recipe(), [0])) == [(0, (1, "1"))]


def test_a_worker_that_differs_is_refused_by_its_name(on_dask: Pool) -> None:
    with pytest.raises(RuntimeError, match=r"worker node\d at tcp://.* \(there other, here same\)"):
        list(on_dask.run(work.double, recipe(identity="other"), range(4)))
    with pytest.raises(RuntimeError, match=r"worker node\d at .* is refused: no such file"):
        list(on_dask.run(work.double, recipe(refuses="no such file"), range(4)))


@pytest.mark.parametrize("fact", ["chop", "torch", "processor"])
def test_another_version_or_processor_is_refused(
    on_dask: Pool, fact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop.pool import dask_pool
    from chop.pool.recipe import facts_of_process

    own = {**facts_of_process(), fact: "9.9"}
    monkeypatch.setattr(dask_pool, "facts_of_process", lambda: own)
    with pytest.raises(RuntimeError, match=rf"worker node\d at .* differs in {fact} \(there .*, here 9.9\)"):
        list(on_dask.run(work.double, recipe(), range(4)))


def test_a_worker_that_dies_is_replaced(on_dask: Pool, tmp_path: Path) -> None:
    found = on_dask.run(work.deadly, recipe(kills=5, once=str(tmp_path / "once")), range(20))
    assert sorted(found) == [(i, i) for i in range(20)]
    assert (tmp_path / "once").exists()


def test_an_item_that_ends_its_worker_each_time_is_named_and_the_others_are_done(on_dask: Pool) -> None:
    done = []
    with pytest.raises(LostItemsError, match="3: the worker ended 4 times") as caught:
        for pair in on_dask.run(work.deadly, recipe(kills=3), range(6)):
            done.append(pair)
    assert sorted(done) == [(i, i) for i in range(6) if i != 3]
    assert caught.value.items == [3]


def test_a_node_that_is_killed_is_done_without(cluster: Cluster, on_dask: Pool) -> None:
    extra = cluster.add_node("extra")
    cluster.nodes.append(extra)
    found = []
    for pair in on_dask.run(work.double, recipe(seconds=0.05), range(100)):
        found.append(pair)
        if len(found) == 10:
            for process in (*psutil.Process(extra.pid).children(recursive=True), psutil.Process(extra.pid)):
                process.kill()
    assert sorted(found) == [(i, 2 * i) for i in range(100)]


def test_a_frozen_worker_is_done_without(cluster: Cluster, on_dask: Pool) -> None:
    found, frozen = [], None
    for pair in on_dask.run(work.double, recipe(seconds=0.05), range(60)):
        found.append(pair)
        if frozen is None:
            frozen = cluster.workers()[0]
            frozen.send_signal(signal.SIGSTOP)
    assert frozen is not None
    assert sorted(found) == [(i, 2 * i) for i in range(60)]
    if frozen.is_running():
        frozen.send_signal(signal.SIGCONT)
    assert sorted(on_dask.run(work.double, recipe(), range(9))) == [(i, 2 * i) for i in range(9)]


def test_only_an_item_that_ends_its_worker_by_itself_is_lost(tmp_path: Path) -> None:
    """One worker, and a scheduler that blames a task at once: for what another one did, and for being slow."""
    with (
        running(tmp_path, 1, ttl="5s", failures=0) as harsh,
        open_pool(cluster=str(harsh.file)) as pool,
    ):
        done = []
        with pytest.raises(LostItemsError, match=r"^3: the worker ended 1 times") as caught:
            for pair in pool.run(work.deadly, recipe(kills=3), range(6)):
                done.append(pair)
        assert caught.value.items == [3]
        assert sorted(done) == [(i, i) for i in range(6) if i != 3]
        frozen = recipe(kills=3, by="SIGSTOP", once=str(tmp_path / "once"))
        assert sorted(pool.run(work.deadly, frozen, range(6))) == [(i, i) for i in range(6)]


def test_a_result_that_is_lost_on_its_way_and_cannot_be_had_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of a result is killed before it is fetched, and the task kills the next one."""
    fetch = distributed.Client._gather_remote

    async def after_a_kill(self: Any, *args: Any) -> Any:
        for worker in lost.workers()[: 1 - len(killed)]:
            killed.append(worker.pid)
            worker.kill()
        return await fetch(self, *args)

    killed: list[int] = []
    monkeypatch.setattr(distributed.Client, "_gather_remote", after_a_kill)
    with (
        running(tmp_path, 1, failures=0) as lost,
        open_pool(cluster=str(lost.file)) as pool,
        pytest.raises(LostItemsError, match="7: the worker ended"),
    ):
        list(pool.run(work.deadly_again, recipe(once=str(tmp_path / "once")), [7]))
    assert len(killed) == 1


def test_a_cluster_of_this_command_that_has_no_worker_left_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chop.pool.dask_pool.ALONE_SECONDS", 1.0)
    with open_pool(1) as pool:
        found = pool.run(work.double, recipe(seconds=0.05), range(30))
        next(found)
        (nanny,) = pool._local.workers.values()  # type: ignore[attr-defined]
        nanny.auto_restart = False
        nanny.process.process.kill()
        assert len(list(found)) == 29


def test_a_scheduler_that_is_killed_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chop.pool.dask_pool.CONNECT_SECONDS", 3)
    with (
        running(tmp_path, 1) as lost,
        open_pool(cluster=str(lost.file)) as pool,
        pytest.raises(ConnectionError, match=r"scheduler at .* is gone; the same command goes on"),
    ):
        for i, _ in enumerate(pool.run(work.double, recipe(seconds=0.1), range(200))):
            if i == 2:
                lost.scheduler.kill()


def test_workers_of_this_command_listen_on_loopback_and_end_with_it() -> None:
    own = psutil.Process()
    before = own.children(recursive=True)
    with open_pool(2) as pool:
        assert sorted(pool.run(work.double, recipe(), range(4))) == [(i, 2 * i) for i in range(4)]
        family = [own, *(child for child in own.children(recursive=True) if child not in before)]
        listening = {
            c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        workers = [p for p in family[1:] if "spawn_main" in " ".join(p.cmdline())]
        assert len(workers) == 2 and pool.at_once == 2 and pool.words() == "2 workers"
    psutil.wait_procs(workers, timeout=120)
    assert not [process for process in workers if process.is_running()]


@pytest.mark.parametrize("options", [{"workers": 2}, {"cluster": "tcp://127.0.0.1:1"}])
def test_without_the_extra(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"--(workers|cluster) needs distributed.*: pip install distributed"
    ):
        open_pool(**options)


def test_what_is_no_pool() -> None:
    for options, words in (
        ({"workers": -1}, "workers must be an integer in 0..4096"),
        ({"workers": 1, "cluster": "tcp://a:1"}, "do not go together"),
        ({"cluster": "nowhere"}, "an address such as"),
    ):
        with pytest.raises(ConfigError, match=words):
            open_pool(**options)  # type: ignore[arg-type]


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chop.pool.dask_pool.CONNECT_SECONDS", 2)
    with (
        open_pool(cluster="tcp://127.0.0.1:1") as pool,
        pytest.raises(ConnectionError, match="does not answer"),
    ):
        list(pool.run(work.double, recipe(), [1]))


@pytest.mark.soak
def test_twenty_kills_of_workers_at_any_time(cluster: Cluster, on_dask: Pool) -> None:
    for turn in range(20):
        found = []
        for pair in on_dask.run(work.double, recipe(seconds=0.02), range(60)):
            found.append(pair)
            if len(found) == 1 + 2 * turn and (there := cluster.workers()):
                os.kill(there[turn % len(there)].pid, signal.SIGKILL)
        assert sorted(found) == [(i, 2 * i) for i in range(60)], turn
