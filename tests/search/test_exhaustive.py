"""The strategy that tries everything, as a search action and as a command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chop.tools.errors import ConfigError

EXHAUSTIVE = {"strategy.name": "exhaustive", "strategy.setup": {"n_jobs": 2}}
Changed = Callable[..., dict[str, Any]]


def values(entries: list[dict[str, Any]]) -> set[tuple[float, ...]]:
    return {tuple(entry["value"]) for entry in entries}


def test_front_is_that_of_brute_force(changed: Changed, run: Any, tmp_path: Path) -> None:
    every = {"strategy.setup.sampler": "brute-force", "strategy.setup.n_trials": 36}
    loop = run(changed(every), tmp_path / "loop")
    swept = run(changed(EXHAUSTIVE), tmp_path / "swept")
    assert len(loop.study.trials) == 36
    assert values(swept.best) == values(loop.best)
    assert json.loads((tmp_path / "swept" / "best.json").read_text()).keys() == {
        str(i) for i in range(len(swept.best))
    }
    by_config = {str(t.user_attrs["sampled_config"]): t for t in loop.study.trials}
    for trial in swept.study.trials:
        twin = by_config[str(trial.user_attrs["sampled_config"])]
        assert trial.values == twin.values and trial.params == twin.params
        assert trial.user_attrs["hardware_metrics"] == twin.user_attrs["hardware_metrics"]
    with np.load(next((tmp_path / "swept").glob("sweep-*/part-*.npz"))) as part:
        assert len(part["values"]) == 36
    assert next((tmp_path / "swept").glob("sweep.*")).suffix in (".parquet", ".npz")


def test_the_same_command_again_adds_nothing(changed: Changed, run: Any, tmp_path: Path) -> None:
    config = changed(EXHAUSTIVE)
    first, second = run(config, tmp_path), run(config, tmp_path)
    assert len(first.study.trials) == len(second.study.trials)
    assert first.best == second.best


def test_all_trials_are_synced_at_once(
    changed: Changed, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino) or fsync(fd))
    study = run(changed({**EXHAUSTIVE, "strategy.setup": {"prune": False}}), tmp_path).study
    assert len(study.trials) == 36
    assert (
        synced.count((tmp_path / "study_journal.log").stat().st_ino) < 8
    )  # the study, its attributes, the trials


def test_few_trials_hold_the_front_first(changed: Changed, run: Any, tmp_path: Path) -> None:
    config = changed({**EXHAUSTIVE, "strategy.setup": {"most_trials": 12, "prune": False}})
    whole = run(changed({**EXHAUSTIVE, "strategy.setup": {"prune": False}}), tmp_path / "whole")
    few = run(config, tmp_path / "few")
    assert len(whole.study.trials) == 36 and len(few.study.trials) == 12
    assert values(few.best) <= values(whole.best)


@pytest.mark.parametrize("scale", [-2.0, 0.5])
def test_a_sum_of_scaled_metrics(changed: Changed, run: Any, tmp_path: Path, scale: float) -> None:
    keys = {
        "strategy.metrics": {"loss": {"scale": 1.0}, "memory_density": {"scale": scale}},
        "strategy.hw_runner": {"average_bitwidth": {"compare_to": 16}},
    }
    summed = {"sum_scaled_metrics": True, "direction": "minimize"}
    loop = run(
        changed({**keys, "strategy.setup": {**summed, "sampler": "brute-force", "n_trials": 36}}),
        tmp_path / "a",
    )
    swept = run(changed({**keys, "strategy.name": "exhaustive", "strategy.setup": summed}), tmp_path / "b")
    assert swept.study.best_value == loop.study.best_value


def test_dry_run_writes_nothing(changed: Changed, run: Any, tmp_path: Path, capsys: Any) -> None:
    assert run(changed(EXHAUSTIVE), tmp_path / "out", dry_run=True) is None
    assert "36 configurations" in capsys.readouterr().out and not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="a dry run is for 'exhaustive'"):
        run(changed({}), tmp_path / "out", dry_run=True)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"strategy.setup": {"n_jobs": 0}}, "n_jobs"),
        ({"strategy.setup": {"samplre": "tpe"}}, "samplre is not known"),
        ({"strategy.setup": {"limit": 35}}, "more than the limit of 35"),
        ({"strategy.metrics.accuracy.scale": 0.0}, "scale must not be 0"),
    ],
)
def test_what_is_refused(
    changed: Changed, run: Any, tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(changed({**EXHAUSTIVE, **keys}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
