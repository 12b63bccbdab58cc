"""One study on every storage: the same trials as a study of one process, joined, continued, never mixed up."""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from chop.actions.search.journal.study import JOURNAL_NAME
from chop.tools.errors import ConfigError
from tests.search.postgresql import free_port

STORAGES = ("journal", "sqlite", "postgresql", "grpc")
TIMELESS = ("number", "params", "values", "user_attrs", "state")


def rows(study: Any) -> list[Any]:
    return [tuple(getattr(trial, name) for name in TIMELESS) for trial in study.trials]


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new storage of the kind that the test names."""
    kind = request.param
    if kind == "journal":
        yield f"journal://{tmp_path}/shared.log"
    elif kind == "sqlite":
        yield f"sqlite:///{tmp_path}/shared.db"
    elif kind == "postgresql":
        server = request.getfixturevalue("postgresql")
        yield server.database(f"t{uuid.uuid4().hex}")
    else:
        pytest.importorskip("grpc")
        with proxy(f"sqlite:///{tmp_path}/behind.db") as address:
            yield address


class proxy:
    """Optuna's gRPC proxy in a thread of this process."""

    def __init__(self, behind: str) -> None:
        from concurrent.futures import ThreadPoolExecutor

        import grpc
        from optuna.storages._grpc import server, servicer  # noqa: F401
        from optuna.storages._grpc.auto_generated import api_pb2_grpc

        self.server = grpc.server(ThreadPoolExecutor(4))
        storage = optuna.storages.get_storage(behind)
        api_pb2_grpc.add_StorageServiceServicer_to_server(
            servicer.OptunaStorageProxyService(storage), self.server
        )
        port = free_port()
        self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"grpc://127.0.0.1:{port}"

    def __enter__(self) -> str:
        self.server.start()
        return self.address

    def __exit__(self, *_: Any) -> None:
        self.server.stop(None).wait()


@pytest.mark.parametrize("url", STORAGES, indirect=True)
def test_every_storage_gives_the_study_of_one_process(
    url: str, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    alone = run(changed({"strategy.setup.n_trials": 12}), tmp_path / "alone")
    keys = {"strategy.setup.storage": url}
    run(changed({**keys, "strategy.setup.n_trials": 5}), tmp_path / "there")
    there = run(changed({**keys, "strategy.setup.n_trials": 12}), tmp_path / "there")
    assert rows(there.study) == rows(alone.study)
    assert there.best == alone.best and there.study_name == alone.study_name
    log = [json.loads((tmp_path / name / "log.json").read_text()) for name in ("alone", "there")]
    assert log[0].keys() == log[1].keys() and log[0]["3"].keys() == log[1]["3"].keys()


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "qmc", "grid", "brute-force"])
def test_claimed_trials_are_those_of_a_study_in_memory(
    sampler: str, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    options = {"nsgaii": {"population_size": 4}, "tpe": {"n_startup_trials": 3}}.get(sampler, {})
    keys = {
        "strategy.setup.sampler": sampler,
        "strategy.setup.sampler_options": options,
        "strategy.setup.n_trials": 14,
    }
    alone = run(changed(keys), tmp_path / "alone")
    keys["strategy.setup.storage"] = f"journal://{tmp_path}/shared.log"
    assert rows(run(changed(keys), tmp_path / "there").study) == rows(alone.study)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_ctrl_c_puts_the_trial_in_hand_up_again(
    sampler: str, changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop import Evaluator

    keys = {"strategy.setup.sampler": sampler, "strategy.setup.n_trials": 16}
    alone = run(changed(keys), tmp_path / "alone")
    keys["strategy.setup.storage"] = f"journal://{tmp_path}/shared.log"
    evaluate, calls = Evaluator.evaluate, []

    def interrupted(self: Any, config: Any = None, **kw: Any) -> Any:
        calls.append(config)
        if len(calls) in (4, 13):
            raise KeyboardInterrupt
        return evaluate(self, config, **kw)

    monkeypatch.setattr(Evaluator, "evaluate", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(changed(keys), tmp_path / "there")
        assert len(json.loads((tmp_path / "there" / "log.json").read_text())) in range(1, 16)
    done = run(changed(keys), tmp_path / "there")
    assert rows(done.study) == rows(alone.study)
    storage = f"journal://{tmp_path}/shared.log"
    assert states(storage).count("COMPLETE") == 16 and states(storage).count("FAIL") == 2


def states(url: str) -> list[str]:
    """States of all trials in the only study of a storage, whatever their place."""
    from chop.actions.search.strategies.storage import StorageAddress

    storage = StorageAddress(url).open()
    (study,) = storage.get_all_studies()
    return [trial.state.name for trial in storage.get_all_trials(study._study_id)]


def test_the_same_command_joins_a_run_that_is_alone(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of the plain command in one folder: the second joins, and the first notices and does too."""
    from chop import Evaluator

    alone = run(changed({"strategy.setup.n_trials": 30}), tmp_path / "alone")
    evaluate_many, joined, calls = Evaluator.evaluate_many, threading.Event(), []
    others: list[Any] = []

    def second() -> None:
        others.append(run(changed({"strategy.setup.n_trials": 27}), tmp_path / "both"))
        joined.set()

    def meet(self: Any, configs: Any, *args: Any, **kw: Any) -> Any:
        calls.append(configs)
        if len(calls) == 3:  # the float model, a batch of 24 trials, and
            # in the middle of the second batch of the first run the whole second one happens.
            second()
        return evaluate_many(self, configs, *args, **kw)

    monkeypatch.setattr(Evaluator, "evaluate_many", meet)
    first = run(changed({"strategy.setup.n_trials": 30}), tmp_path / "both")
    assert joined.is_set()
    assert rows(first.study) == rows(alone.study)
    seen = rows(others[0].study)  # a batch of the first run may have gone beyond the second's 20 already
    assert len(seen) >= 20 and seen == rows(alone.study)[: len(seen)]
    assert states(f"journal://{tmp_path}/both/{JOURNAL_NAME}") == ["COMPLETE"] * 30


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("sampler", ["random", "grid", "brute-force", "qmc"])
def test_runs_at_the_same_time_share_one_journal(
    sampler: str, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    """Each place is claimed once, and holds the parameters and values of one run."""
    keys = {"strategy.setup.n_trials": 36, "strategy.setup.sampler": sampler}
    alone = run(changed(keys), tmp_path / "alone")
    keys["strategy.setup.storage"] = f"journal://{tmp_path}/shared.log"
    # Processes, because tracing a model concerns all threads of one.
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=run, args=(changed(keys), tmp_path / name)) for name in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert rows(run(changed(keys), tmp_path / "a").study) == rows(alone.study)
    logs = [json.loads((tmp_path / name / "log.json").read_text()) for name in "ab"]
    assert logs[0] == logs[1]
    assert states(keys["strategy.setup.storage"]).count("COMPLETE") == 36


def test_names_of_studies(changed: Callable[..., Any], run: Any, tmp_path: Path) -> None:
    keys = {"strategy.setup.storage": f"sqlite:///{tmp_path}/a.db", "strategy.setup.study_name": "mine"}
    assert run(changed(keys), tmp_path / "a").study_name == "mine"
    assert len(run(changed({**keys, "strategy.setup.n_trials": 8}), tmp_path / "a").study.trials) == 8
    with pytest.raises(ConfigError, match=r"study 'mine' in sqlite:.* belongs to another search"):
        run(changed(keys), tmp_path / "a", seed=9)
    run(changed({**keys, "strategy.setup.study_name": "other"}), tmp_path / "a", seed=9)


def test_an_objective_that_always_fails_is_given_up(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop import Evaluator

    keys = {"strategy.setup.storage": f"journal://{tmp_path}/a.log"}
    evaluate, bad = Evaluator.evaluate, []

    def sometimes(self: Any, config: Any = None, **kw: Any) -> Any:
        if config is not None and (not bad or config == bad[0]):
            bad[:] = [config]
            raise ZeroDivisionError("of this trial")
        return evaluate(self, config, **kw)

    with monkeypatch.context() as patched:
        patched.setattr(Evaluator, "evaluate", sometimes)
        for _ in range(4):
            with pytest.raises(ZeroDivisionError):
                run(changed(keys), tmp_path / "out")
        log = json.loads((tmp_path / "out" / "log.json").read_text())
        assert log == {}
    assert len(run(changed(keys), tmp_path / "out").study.trials) == 6


def test_workers_need_a_command_and_a_strategy_that_takes_them(
    config: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="worker_command"):
        run(config, tmp_path, workers=2)
