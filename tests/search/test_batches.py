"""Trials in batches: the same study as one by one, one write a batch, nothing of a study in memory, Ctrl-C."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chop.actions.search.journal import file as journal_file
from chop.actions.search.outcome import Outcome
from chop.actions.search.runners import HW_RUNNERS
from chop.actions.search.samplers.native_tpe import NativeTpeSampler
from chop.actions.search.samplers.whole_config import WholeConfigSampler
from chop.actions.search.strategies import lone_run
from chop.actions.search.strategies.batches import Pace
from chop.actions.search.validation import StrictTable
from chop.pool import Source
from chop.tools.errors import ConfigError

KNOW_MANY = ("random", "qmc", "grid", "brute-force", "native-tpe", "nsgaii", "nsgaiii")
TIMES = ("datetime_start", "datetime_complete", "duration")


def trials(result: Any) -> list[dict[str, Any]]:
    """All that a study holds but its times."""
    return [
        {
            "number": t.number,
            "state": t.state,
            "params": t.params,
            "values": t.values,
            "distributions": t.distributions,
            "user_attrs": t.user_attrs,
            "system_attrs": t.system_attrs,
        }
        for t in result.study.trials
    ]


def log_of(folder: Path) -> list[dict[str, Any]]:
    log = json.loads((folder / "log.json").read_text())
    return [{key: value for key, value in row.items() if key not in TIMES} for row in log.values()]


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the samplers nothing but Optuna's own interface."""
    monkeypatch.delattr(WholeConfigSampler, "ask")
    monkeypatch.delattr(NativeTpeSampler, "ask")
    monkeypatch.setattr(lone_run, "BaseGASampler", ())  # nothing is one


@pytest.mark.parametrize("constrained", [False, True], ids=["free", "constrained"])
@pytest.mark.parametrize("name", KNOW_MANY)
def test_batches_give_the_study_of_single_trials(
    name: str,
    constrained: bool,
    changed: Callable[..., Any],
    run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys: dict[str, Any] = {"strategy.setup.sampler": name, "strategy.setup.n_trials": 60}
    if name.startswith("nsga"):
        keys["strategy.setup.sampler_options"] = {"population_size": 8}
    if constrained:
        keys["strategy.constraints"] = {"accuracy": {"min": 0.2}}
    in_batches = run(changed(keys), tmp_path / "batches")
    with monkeypatch.context() as patched:
        one_by_one(patched)
        single = run(changed(keys), tmp_path / "single")
    assert trials(in_batches) == trials(single)
    assert log_of(tmp_path / "batches") == log_of(tmp_path / "single")
    assert in_batches.best == single.best
    reopened = run(changed({**keys, "strategy.setup.n_trials": 61}), tmp_path / "batches")
    assert trials(reopened)[:60] == trials(single)


def batch_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that receives the size of each batch from now on."""
    from chop.actions.search.objective import Objective

    sizes: list[int] = []
    measure_parts = Objective.measure_parts
    monkeypatch.setattr(
        Objective, "measure_parts", lambda self, p, n: sizes.append(len(p)) or measure_parts(self, p, n)
    )
    return sizes


def test_a_generation_is_measured_at_once(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = batch_sizes(monkeypatch)
    options = {"strategy.setup.sampler_options": {"population_size": 8}, "strategy.setup.n_trials": 30}
    run(changed({"strategy.setup.sampler": "nsgaii", **options}), tmp_path)
    assert sizes == [8, 8, 8, 6]


def test_a_batch_is_synced_once(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(journal_file.os, "fsync", lambda fd: synced.append(fd) or fsync(fd))
    run(changed({"strategy.setup.sampler": "random", "strategy.setup.n_trials": 200}), tmp_path)
    assert len(synced) < 30  # the study itself, its attributes, a few batches
    journal = (tmp_path / "study_journal.log").read_text().splitlines()
    assert sum('"params"' in line for line in journal) == 200


def test_what_cannot_be_written_is_not_acknowledged(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = changed({"strategy.setup.sampler": "random", "strategy.setup.n_trials": 100})
    written = journal_file.JournalFile.append_logs

    def full(self: Any, logs: list[Any]) -> None:
        if self._gathered is None and len(logs) > 1 and any("params" in log for log in logs):
            written(self, logs[:1])
            raise OSError(28, "No space left on device")
        written(self, logs)

    with monkeypatch.context() as patched:
        patched.setattr(journal_file.JournalFile, "append_logs", full)
        with pytest.raises(OSError, match="No space left"):
            run(table, tmp_path)
    assert len(json.loads((tmp_path / "log.json").read_text())) == 0
    whole = run(table, tmp_path / "whole")
    assert trials(run(table, tmp_path)) == trials(whole)


def test_ctrl_c_keeps_the_batches_before(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop import Evaluator

    table = changed({"strategy.setup.sampler": "random", "strategy.setup.n_trials": 300})
    evaluate_many, calls = Evaluator.evaluate_many, []

    def interrupted(self: Any, configs: Any, *args: Any, **options: Any) -> Any:
        calls.append(len(configs))
        if len(calls) == 3:  # the float model is the first
            raise KeyboardInterrupt
        return evaluate_many(self, configs, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Evaluator, "evaluate_many", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(table, tmp_path)
    kept = len(json.loads((tmp_path / "log.json").read_text()))
    assert kept == 24 >= calls[1] > 1  # a batch; repeated configurations are not measured
    assert trials(run(table, tmp_path)) == trials(run(table, tmp_path / "whole"))


def test_a_study_in_memory_writes_nothing(
    changed: Callable[..., Any], run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for sampler in ("random", "nsgaii", "native-tpe"):
        keys = {"strategy.setup.sampler": sampler, "strategy.setup.n_trials": 12}
        kept = run(changed(keys), tmp_path / sampler)
        memory = run(changed({**keys, "strategy.setup.storage": "memory"}), None)
        assert trials(memory) == trials(kept)
        assert memory.journal is None and memory.folder is None and memory.storage == "memory"
        assert memory.best == kept.best
    assert sorted(path.name for path in tmp_path.iterdir()) == ["native-tpe", "nsgaii", "random"]


def test_a_study_in_memory_is_for_one_process(changed: Callable[..., Any], run: Any, tmp_path: Path) -> None:
    table = changed({"strategy.setup.storage": "memory"})
    with pytest.raises(ConfigError, match="'memory' is for one process"):
        run(table, tmp_path, workers=2, source=Source("os:getcwd"))
    with pytest.raises(ConfigError, match="save_path may be None only"):
        run(changed({}), None)
    assert list(tmp_path.iterdir()) == []


def test_pace_starts_small_and_fits_the_time_left() -> None:
    pace = Pace(1000)
    assert pace.size == 24 and pace.within(None) == pace.within(0.001) == 24
    pace.took(24, 0.024)
    assert pace.size == 250 and pace.within(0.1) == 100 and pace.within(0.0) == 1
    pace.took(0, 1e-6)  # repeats only
    assert pace.size == 250
    pace.took(250, 250.0)
    assert pace.size == 1


class Slow:
    """A hardware runner of one's own, whose first answer takes long."""

    metrics, Options, asked = ("wires",), StrictTable, 0

    def __init__(self, context: Any, options: Any) -> None:
        """Nothing to prepare."""

    def __call__(self, config: Any) -> dict[str, float]:
        Slow.asked += 1
        if Slow.asked == 2:
            raise KeyboardInterrupt
        return {"wires": 1.0}


def test_a_runner_that_says_nothing_of_its_time_begins_with_one_trial(
    changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    HW_RUNNERS.register("slow")(Slow)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(changed({"strategy.hw_runner.slow": {}}), tmp_path)
    finally:
        del HW_RUNNERS["slow"]
    assert len(json.loads((tmp_path / "log.json").read_text())) == 1


def test_a_fast_trial_does_not_put_many_trainings_into_one_batch(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first trial is refused at once, or a repeat: nothing is known of the time of the others."""
    from chop.actions.search.objective import Objective

    sizes = batch_sizes(monkeypatch)
    monkeypatch.setattr(Objective, "_measure_own_model", lambda self, *args: REFUSED)
    run(changed({"strategy.sw_runner": {"basic_train": {}}}), tmp_path)
    assert sizes == [1] * 6


REFUSED = Outcome([math.nan] * 2, {}, {}, dict.fromkeys(("accuracy", "average_bitwidth"), math.nan), {})


def test_choices_that_are_no_rising_numbers_are_no_neighbours(
    changed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, run: Any, tmp_path: Path
) -> None:
    from chop import _core

    made: list[Any] = []

    def spy(parameters: Any, *options: Any) -> Any:
        made.append(parameters)
        return tpe(parameters, *options)

    tpe = _core.Tpe
    monkeypatch.setattr(_core, "Tpe", spy)
    seed = "search_space.seed.linear.config"
    keys = {f"{seed}.data_in_width": [8, 6, 4], f"{seed}.weight_width": [4, 8, 2]}
    run(changed({**keys, "strategy.setup.sampler": "native-tpe"}), tmp_path)
    assert made == [[(3, True), (3, False)] * 2]
