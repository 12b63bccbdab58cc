"""Trials that train in threads: the study of one after the other, Ctrl-C, failures, models that live at once."""

from __future__ import annotations

import _thread
import contextlib
import copy
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop.actions.search import objective as objective_module
from chop.actions.search.metrics import METRICS, SearchMetric
from chop.actions.search.runners.basic_train import BasicTrain
from chop.tools.errors import ConfigError
from tests.search.test_basic_train import INTEGER, SPACE, TRAIN
from tests.search.test_batches import KNOW_MANY, log_of, one_by_one, trials

EIGHT = copy.deepcopy(SPACE)
EIGHT["seed"]["seq_blocks_2"]["quantize"] = INTEGER  # four widths, two formats


@pytest.fixture
def training(changed: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """A grid of eight trials that train, with ``n_jobs`` and ``keys`` set."""

    def make(n_jobs: int, keys: dict[str, Any] | None = None) -> dict[str, Any]:
        return changed(
            {
                "search_space": copy.deepcopy(EIGHT),
                "strategy.eval_mode": False,
                "strategy.sw_runner": {"basic_train": dict(TRAIN), "basic_evaluation": {"num_samples": 300}},
                "strategy.setup.sampler": "grid",
                "strategy.setup.n_trials": 8,
                "strategy.setup.n_jobs": n_jobs,
                **(keys or {}),
            }
        )

    return make


@pytest.fixture
def at_train(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Call ``first(runner)`` before each training."""
    train = BasicTrain._train

    def patch(first: Callable[[Any], None]) -> None:
        monkeypatch.setattr(BasicTrain, "_train", lambda self: first(self) or train(self))

    return patch


def width(runner: Any) -> int:
    """Channels of the layer that the space changes."""
    return int(runner.graph.model.get_submodule("seq_blocks.2").weight.shape[0])


class Meter:
    """How many are inside at once."""

    def __init__(self) -> None:
        self.now, self.most, self._lock = 0, 0, threading.Lock()

    def __call__(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            with self._lock:
                self.now += 1
                self.most = max(self.most, self.now)
            try:
                time.sleep(0.02)  # so that the others have come
                return call(*args)
            finally:
                with self._lock:
                    self.now -= 1

        return counted


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Meter:
    """Counts trainings."""
    meter = Meter()
    monkeypatch.setattr(BasicTrain, "_train", meter(BasicTrain._train))
    return meter


@pytest.mark.parametrize("sampler", KNOW_MANY)
def test_any_number_of_threads_gives_the_study_of_single_trials(
    sampler: str, training: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"strategy.setup.sampler": sampler, "strategy.setup.n_trials": 14}
    with monkeypatch.context() as patched:
        one_by_one(patched)
        single = run(training(1, keys), tmp_path / "single")
    for n_jobs in (1, 2, 4):
        found = run(training(n_jobs, keys), tmp_path / str(n_jobs))
        assert trials(found) == trials(single), n_jobs
        assert log_of(tmp_path / str(n_jobs)) == log_of(tmp_path / "single")
        assert found.best == single.best


@pytest.mark.parametrize("aware", [True, False])
def test_the_mixed_precision_space_trains_in_threads_too(
    aware: bool, changed: Any, run: Any, tmp_path: Path, at_once: Meter
) -> None:
    train = {"basic_train": {**TRAIN, "quantization_aware": aware}}  # measured by torch
    keys = {"strategy.eval_mode": False, "strategy.sw_runner": train, "strategy.setup.n_trials": 9}
    single = run(changed(keys), tmp_path / "1")
    assert at_once.most == 1
    threads = torch.get_num_threads()
    found = run(changed({**keys, "strategy.setup.n_jobs": 3}), tmp_path / "3")
    assert trials(found) == trials(single) and 2 <= at_once.most <= 3
    assert torch.get_num_threads() == threads


def test_no_more_models_than_threads(
    training: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Any]] = []
    most: list[int] = []
    make = objective_module.trial_context

    @contextlib.contextmanager
    def counted(*args: Any) -> Iterator[Any]:
        with make(*args) as context:
            made.append(weakref.ref(context.graph.model.get_parameter("seq_blocks.2.weight")))
            most.append(sum(each() is not None for each in made))
            yield context

    monkeypatch.setattr(objective_module, "trial_context", counted)
    run(training(2), tmp_path)
    assert len(made) == 8 and 1 < max(most) <= 2, most


def test_every_trial_is_in_the_journal_before_the_next_batch(
    training: Any, run: Any, tmp_path: Path, at_train: Any
) -> None:
    """Two at first, then eight: whoever starts the third or a later one finds the first two."""
    found: list[int] = []

    def look(runner: Any) -> None:
        journal = tmp_path / "study_journal.log"
        found.append(sum('"params"' in line for line in journal.read_text().splitlines()))

    at_train(look)
    run(training(2), tmp_path)
    assert found[:2] == [0, 0] and all(2 <= count <= i for i, count in enumerate(found[2:], start=2)), found


def test_ctrl_c_in_the_middle_and_the_same_command(
    training: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_train: Any
) -> None:
    whole = run(training(2), tmp_path / "whole")
    calls: list[int] = []

    def interrupted(runner: Any) -> None:
        calls.append(width(runner))
        if len(calls) == 6:  # a training of hours
            runner.options = runner.options.model_copy(update={"max_epochs": None, "max_steps": 10**8})
            threading.Timer(0.3, _thread.interrupt_main).start()

    at_train(interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(training(2), tmp_path / "cut")
    assert time.monotonic() - began < 20
    monkeypatch.undo()
    kept = log_of(tmp_path / "cut")
    assert 4 <= len(kept) <= 5 and kept == log_of(tmp_path / "whole")[: len(kept)]
    assert not any(thread.name.startswith("trial") for thread in threading.enumerate())
    assert trials(run(training(2), tmp_path / "cut")) == trials(whole)


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
def test_an_error_in_one_training_ends_the_search_as_trial_by_trial(
    n_jobs: int, training: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_train: Any
) -> None:
    whole = run(training(1), tmp_path / "whole")
    widths = [t.user_attrs["sampled_config"]["seq_blocks_2"]["config"] for t in whole.study.trials]
    seventh = int(8 * widths[6]["channel_multiplier"])
    first = next(i for i, each in enumerate(widths) if 8 * each["channel_multiplier"] == seventh)

    def broken(runner: Any) -> None:
        if width(runner) == seventh:
            raise ConfigError("no such rows")

    at_train(broken)
    with pytest.raises(ConfigError, match="no such rows"):
        run(training(n_jobs), tmp_path / "cut")
    monkeypatch.undo()
    log = tmp_path / "cut" / "log.json"
    assert len(json.loads(log.read_text()) if log.exists() else {}) == first
    assert trials(run(training(n_jobs), tmp_path / "cut")) == trials(whole)


def test_a_training_that_diverges_fails_its_trial_only(
    training: Any, run: Any, tmp_path: Path, at_train: Any
) -> None:
    def wild(runner: Any) -> None:
        if width(runner) == 16:
            options = {"optimizer": "sgd", "learning_rate": 1e30, "max_epochs": 30}
            runner.options = runner.options.model_copy(update=options)

    at_train(wild)
    found = [run(training(n_jobs), tmp_path / str(n_jobs)) for n_jobs in (1, 2, 4)]
    states = [t.state.name for t in found[0].study.trials]
    assert states.count("FAIL") == 2 and states.count("COMPLETE") == 6
    for other in found[1:]:
        assert [t.params for t in other.study.trials] == [t.params for t in found[0].study.trials]
        assert [t.state.name for t in other.study.trials] == states
        assert [t.values for t in other.study.trials] == [t.values for t in found[0].study.trials]


def test_what_may_not_run_beside_others_does_not(
    training: Any, run: Any, tmp_path: Path, at_once: Meter
) -> None:
    @METRICS.register("own")
    class Own(SearchMetric):
        kind, direction = "hardware", "minimize"

        def compute(self, config: Any, measured: Any, context: Any) -> float:
            return 0.0

    try:
        run(training(4, {"strategy.metrics.own": {}}), tmp_path / "a")
        assert at_once.most == 1
        Own.parallel = True
        run(training(4, {"strategy.metrics.own": {}}), tmp_path / "b")
    finally:
        del METRICS["own"]
    assert at_once.most > 1


def test_lightning_trains_one_after_the_other(
    training: Any, run: Any, tmp_path: Path, at_once: Meter
) -> None:
    pytest.importorskip("lightning")
    keys = {"strategy.sw_runner": {"basic_train": {**TRAIN, "engine": "lightning"}}}
    run(training(4, {**keys, "strategy.setup.n_trials": 3}), tmp_path)
    assert at_once.most == 1


def test_trials_that_only_some_engines_train(
    training: Any, run: Any, tmp_path: Path, model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the core refuses a trial's model, Lightning trains it between the others, with the same figures."""
    pytest.importorskip("lightning")
    from chop.training.native_engine import NativeEngine

    why_not = NativeEngine.why_not

    def refuses_wide(self: Any, job: Any) -> str | None:
        wide = job.model.get_submodule("seq_blocks.2").weight.shape[0] == 16
        return "it is wide" if wide else why_not(self, job)

    monkeypatch.setattr(NativeEngine, "why_not", refuses_wide)
    found = [run(training(n_jobs), tmp_path / str(n_jobs)) for n_jobs in (1, 4)]
    assert trials(found[0]) == trials(found[1])
