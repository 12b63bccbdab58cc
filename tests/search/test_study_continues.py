"""Studies that go on: the same command, another config, a torn journal, Ctrl-C, kill, time-out."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from chop.actions.search.journal.file import JournalFile, drop_torn_tail
from chop.actions.search.journal.study import JOURNAL_NAME, StudyIsShared, StudyJournal

FILES = {"study_journal.log", "log.json", "best.json"}


def values(result: Any) -> list[Any]:
    return [trial.values for trial in result.study.trials]


def test_the_same_command_continues_to_n_trials_in_all(
    changed: Callable[..., Any], run: Any, tmp_path: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "chop")
    first = run(changed({}), tmp_path)
    grown = run(changed({"strategy.setup.n_trials": 10, "strategy.setup.timeout": 5}), tmp_path)
    assert grown.study_name == first.study_name
    assert values(grown)[:6] == values(first) and len(values(grown)) == 10
    assert "6 trials of 10 are there already: the study goes on" in caplog.text

    from chop import Evaluator

    seen: list[Any] = []
    evaluate_many = Evaluator.evaluate_many
    monkeypatch.setattr(
        Evaluator,
        "evaluate_many",
        lambda self, c, *a, **k: seen.extend(c) or evaluate_many(self, c, *a, **k),
    )
    done = run(changed({"strategy.setup.n_trials": 10}), tmp_path)
    assert values(done) == values(grown)
    assert seen == [None]  # the float model only
    assert "10 trials of 10 are there already: the study is complete" in caplog.text
    assert len(json.loads((tmp_path / "log.json").read_text())) == 10


def test_a_continued_study_knows_the_configs_of_the_earlier_run(
    changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    run(changed({"strategy.setup.n_trials": 30}), tmp_path / "a")
    parts = run(changed({"strategy.setup.n_trials": 60}), tmp_path / "a")
    whole = run(changed({"strategy.setup.n_trials": 60}), tmp_path / "b")
    assert [t.user_attrs for t in parts.study.trials] == [t.user_attrs for t in whole.study.trials]
    assert any(t.user_attrs.get("repeat_of", 60) < 30 for t in parts.study.trials[30:])


OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "metric scale": ({"strategy.metrics.accuracy.scale": 2.0}, {}),
    "choices": ({"search_space.seed.linear.config.weight_width": [2, 4]}, {}),
    "sampler": ({"strategy.setup.sampler": "grid"}, {}),
    "rows": ({"strategy.sw_runner.basic_evaluation.num_samples": 100}, {}),
    "seed": ({}, {"seed": 9}),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_search_in_the_same_folder_is_another_study(
    case: str, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    keys, options = OTHERS[case]
    first = run(changed({}), tmp_path)
    other = run(changed(keys), tmp_path, **options)
    assert other.study_name != first.study_name and len(other.study.trials) == 6
    back = run(changed({"strategy.setup.n_trials": 7}), tmp_path)
    assert back.study_name == first.study_name
    assert values(back)[:6] == values(first)


def test_other_weights_are_another_study(
    config: dict[str, Any], run: Any, model: nn.Module, tmp_path: Path
) -> None:
    first = run(config, tmp_path)
    model.seq_blocks[4].bias.data[0] += 1
    second = run(config, tmp_path)
    assert second.study_name != first.study_name and values(second) != values(first)


def test_a_torn_journal_loses_no_whole_trial(
    changed: Callable[..., Any], run: Any, tmp_path: Path, caplog: Any
) -> None:
    whole = run(changed({"strategy.setup.n_trials": 9}), tmp_path / "whole")
    run(changed({}), tmp_path / "torn")
    journal = tmp_path / "torn" / JOURNAL_NAME
    content = journal.read_bytes()
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in (last + 1, last + 200, len(content) - 1):
        journal.write_bytes(content[:cut])
        caplog.clear()
        result = run(changed({"strategy.setup.n_trials": 9}), tmp_path / "torn")
        assert f"{cut - last} bytes dropped" in caplog.text
        assert values(result) == values(whole)
    assert drop_torn_tail(journal) == 0


def test_two_writers_are_noticed(config: dict[str, Any], run: Any, tmp_path: Path) -> None:
    result = run(config, tmp_path)
    path, name = tmp_path / JOURNAL_NAME, result.study_name
    ours, theirs = (StudyJournal(path, name, ["maximize", "minimize"], ["a", "b"]) for _ in range(2))
    trial = result.study.trials[0]
    theirs.append_all([trial])
    size = path.stat().st_size
    with pytest.raises(StudyIsShared):
        ours.append_all([trial])
    assert path.stat().st_size == size


def test_an_interrupted_search_goes_on(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop import Evaluator

    table = changed({"strategy.setup.sampler": "tpe", "strategy.setup.n_trials": 20})
    whole = run(table, tmp_path / "whole")
    evaluate, calls = Evaluator.evaluate_many, []

    def interrupted(*args: Any, **kw: Any) -> Any:
        calls.append(args)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return evaluate(*args, **kw)

    with monkeypatch.context() as patched:
        patched.setattr(Evaluator, "evaluate_many", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(table, tmp_path / "cut")
    assert {path.name for path in (tmp_path / "cut").iterdir()} == FILES
    result = run(table, tmp_path / "cut")
    assert values(result) == values(whole)
    assert [t.user_attrs for t in result.study.trials] == [t.user_attrs for t in whole.study.trials]


SCRIPT = """
import json, sys, time
sys.path.insert(0, {folder!r})
import conftest, torch
from torch import nn
from chop import Evaluator
from chop.actions import search

torch.manual_seed(3)
layers = nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5)
evaluate = Evaluator.evaluate

def slow(*args, **kw):
    time.sleep(0.02)
    return evaluate(*args, **kw)

Evaluator.evaluate = slow
table = json.load(open(sys.argv[1]))
search(conftest.SequentialModel(*layers).eval(), None, "cls", None, conftest.RandomRows(), table, sys.argv[2])
"""


def test_kill_loses_nothing_that_was_written(changed: Callable[..., Any], tmp_path: Path) -> None:
    """kill -9 in the middle, twice: the same command ends with the trials of an undisturbed run."""
    table, folder = tmp_path / "search.json", tmp_path / "out"
    keys = {"strategy.setup.n_trials": 40, "strategy.setup.sampler": "nsgaii"}
    table.write_text(json.dumps(changed(keys)))
    code = SCRIPT.format(folder=str(Path(__file__).parent))

    def start(where: Path) -> subprocess.Popen[bytes]:
        silent = subprocess.DEVNULL
        return subprocess.Popen(
            [sys.executable, "-c", code, str(table), str(where)], stdout=silent, stderr=silent
        )

    journal, lines = folder / JOURNAL_NAME, 0
    for wanted in (8, 20):
        process = start(folder)
        limit = time.monotonic() + 60
        while lines < wanted and time.monotonic() < limit:
            time.sleep(0.01)
            lines = len(journal.read_bytes().splitlines()) if journal.exists() else 0
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lines >= wanted
        (folder / f"{JOURNAL_NAME}.lock").unlink(
            missing_ok=True
        )  # else Optuna waits 30 s for the dead writer
    began = time.monotonic()
    assert start(folder).wait() == 0
    resumed, began = time.monotonic() - began, time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    # A dead writer's lock is not waited for (Optuna's own: 30 s), however slow the machine is.
    assert resumed < time.monotonic() - began + 20
    cut, whole = (json.loads((path / "log.json").read_text()) for path in (folder, tmp_path / "whole"))
    assert len(cut) == 40
    for mine, other in zip(cut.values(), whole.values(), strict=True):
        timeless = {key for key in mine if not key.startswith(("datetime", "duration"))}
        assert {key: mine[key] for key in timeless} == {key: other[key] for key in timeless}


def test_the_timeout_ends_the_run_not_the_study(
    changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop import Evaluator

    evaluate_many = Evaluator.evaluate_many

    def slow(self: Any, configs: Any, *args: Any, **options: Any) -> Any:
        time.sleep(0.1 * len(configs))
        return evaluate_many(self, configs, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Evaluator, "evaluate_many", slow)
        short = run(changed({"strategy.setup.n_trials": 500, "strategy.setup.timeout": 0.5}), tmp_path)
    assert 1 <= len(short.study.trials) < 30
    longer = run(changed({"strategy.setup.n_trials": 40}), tmp_path)
    assert len(longer.study.trials) == 40 and values(longer)[: len(values(short))] == values(short)


def test_a_study_that_was_only_made_is_described_later(tmp_path: Path) -> None:
    """A kill between making a study and describing it."""
    import optuna

    path = tmp_path / "j.log"
    storage = optuna.storages.JournalStorage(JournalFile(path))
    optuna.create_study(storage=storage, study_name="s", directions=["maximize"])
    StudyJournal(path, "s", ["maximize"], ["accuracy"], {"sampler": "random"})
    study = optuna.load_study(storage=storage, study_name="s")
    assert study.metric_names == ["accuracy"] and study.user_attrs["chop:about"] == {"sampler": "random"}
