"""Trials that train leave their weights beside best.json: evaluator, quantized torch graph and file are one model."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph
from chop.passes.graph import (
    load_mase_graph_interface_pass,
    load_weights_interface_pass,
    quantize_transform_pass,
    save_mase_graph_interface_pass,
)
from chop.tools.best_file import BestTrial, read_best
from chop.tools.errors import ConfigError
from tests.search.conftest import RandomRows

TRAIN = {"max_epochs": 3, "learning_rate": 1e-2}


class TaughtRows(RandomRows):
    """Random rows with labels that can be learned: a linear teacher's."""

    def __init__(self) -> None:
        super().__init__()
        teacher = torch.randn(16, 5, generator=torch.Generator().manual_seed(8))
        self._splits = {split: (x, (x @ teacher).argmax(1)) for split, (x, _) in self._splits.items()}


@pytest.fixture
def data_module() -> RandomRows:
    """300 rows in each split, batches of 64."""
    return TaughtRows()


@pytest.fixture
def study(changed: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Nine trials in the mixed-precision space, each trained, in ``n_jobs`` threads."""

    def make(n_jobs: int = 1, keys: dict[str, Any] | None = None) -> dict[str, Any]:
        own: dict[str, Any] = {
            "strategy.eval_mode": False,
            "strategy.sw_runner": {"basic_train": dict(TRAIN)},
            "strategy.setup.n_trials": 9,
            "strategy.setup.n_jobs": n_jobs,
        }
        return changed({**own, **(keys or {})})

    return make


def best_of(folder: Path) -> list[BestTrial]:
    return [
        read_best(f"{folder}/best.json#{i}")
        for i in range(len(json.loads((folder / "best.json").read_text())))
    ]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "weights").iterdir()}


def trained(model: nn.Module, best: BestTrial) -> nn.Module:
    made = copy.deepcopy(model)
    assert best.weights is not None
    best.weights.load_into(made)
    return made.eval()


def test_evaluator_torch_and_saved_file_are_equal_bit_for_bit(
    study: Any, run: Any, model: nn.Module, data_module: Any, tmp_path: Path
) -> None:
    before = copy.deepcopy(model.state_dict())
    result = run(study(), tmp_path)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert len(result.best) > 1
    x, y = data_module.arrays("val")
    for best in best_of(tmp_path):
        config = best.entry["sampled_config"]
        ev = Evaluator(trained(model, best), x, y)
        found, metrics = ev.evaluate(config), best.entry["software_metrics"]
        assert metrics == {"loss": float(found["loss"]), "accuracy": float(found["accuracy"])}
        logits = ev.forward(config)
        graph, _ = quantize_transform_pass(MaseGraph(trained(model, best)), config)
        assert torch.equal(graph.model(x), logits)
        save_mase_graph_interface_pass(graph, {"save_dir": str(tmp_path / "saved")})
        again, _ = load_mase_graph_interface_pass(None, {"load_dir": str(tmp_path / "saved")})
        assert torch.equal(again.model(x), logits)
        assert ev.certificate(config).verdict == "exact for any input"


def test_the_best_have_files_and_nobody_else(study: Any, run: Any, tmp_path: Path) -> None:
    result = run(study(), tmp_path)
    wanted = {entry["weights"]["file"].removeprefix("weights/") for entry in result.best}
    assert set(files_in(tmp_path)) == wanted and len(wanted) == len(result.best) < 9
    assert all(trial.user_attrs["weights"]["sha256"] for trial in result.study.trials)


def test_threads_and_stops_leave_the_same_files(study: Any, run: Any, tmp_path: Path) -> None:
    run(study(1), tmp_path / "whole")
    run(study(3), tmp_path / "threads")
    run(study(2, {"strategy.setup.n_trials": 5}), tmp_path / "cut")
    run(study(2), tmp_path / "cut")
    for name in ("threads", "cut"):
        assert files_in(tmp_path / name) == files_in(tmp_path / "whole")
        assert (tmp_path / name / "best.json").read_text() == (tmp_path / "whole" / "best.json").read_text()


def test_samplers_that_see_one_trial_at_a_time_leave_files_too(study: Any, run: Any, tmp_path: Path) -> None:
    result = run(study(keys={"strategy.setup.sampler": "tpe"}), tmp_path)
    assert len(files_in(tmp_path)) == len(result.best)


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1])]
)
def test_a_file_that_is_gone_or_changed_is_one_error_and_is_trained_anew(
    study: Any, run: Any, model: nn.Module, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    run(study(), tmp_path)
    files, best = files_in(tmp_path), best_of(tmp_path)[0]
    assert best.weights is not None
    damage(best.weights.path)
    before = copy.deepcopy(model.state_dict())
    for load in (
        lambda: best.weights.load_into(model),  # type: ignore[union-attr]
        lambda: load_weights_interface_pass(MaseGraph(model), best.passes["load_weights"]),
    ):
        with pytest.raises(ConfigError, match="the same search writes it anew") as error:
            load()
        assert str(best.weights.path) in str(error.value)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    run(study(), tmp_path)
    assert files_in(tmp_path) == files


def test_an_entry_with_other_weights_than_the_journal_has_is_refused(
    study: Any, run: Any, tmp_path: Path
) -> None:
    run(study(), tmp_path)
    path = tmp_path / "best.json"
    content = json.loads(path.read_text())
    content["0"]["weights"], content["1"]["weights"] = {"file": "a", "sha256": "b"}, content["0"]["weights"]
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="weights of entry 0 is not what study_journal"):
        read_best(path)


def test_a_study_in_memory_keeps_no_weights(study: Any, run: Any) -> None:
    result = run(study(), None, storage="memory")
    assert result.best and all("sha256" in entry["weights"] for entry in result.best)
