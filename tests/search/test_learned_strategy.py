"""The strategy learned: one command leaves a front of models with their weights and formats, whatever stops it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph
from chop.actions import search
from chop.actions.search.strategies.learned import LearnedSetup
from chop.dataset import MaseDataModule
from chop.models import get_model, get_model_info
from chop.passes.graph import quantize_transform_pass
from chop.tools.best_file import BestTrial, read_best
from chop.tools.errors import ConfigError
from chop.training import WidthRecipe

TARGETS = [12_000.0, 6_000.0]


class Jets:
    """A data module of 2,000 and 1,000 rows of the synthetic jets."""

    batch_size = 64

    def __init__(self) -> None:
        self.x, self.y = MaseDataModule("jsc-synth", 64).arrays("val")

    def prepare_data(self) -> None:
        """Nothing to fetch."""

    def setup(self) -> None:
        """Nothing to read."""

    def arrays(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        rows = slice(0, 2000) if split == "train" else slice(2000, 3000)
        return self.x[rows], self.y[rows]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return get_model("jsc-mlp", pretrained=True).eval()


@pytest.fixture(scope="module")
def data_module() -> Jets:
    return Jets()


def document(**setup: Any) -> dict[str, Any]:
    layer = {
        "name": ["integer"],
        "data_in_width": [8],
        "data_in_frac_width": [4],
        "weight_width": [6],
        "weight_frac_width": [4],
        "bias_width": [12],
        "bias_frac_width": [6],
    }
    given = {"targets": TARGETS, "epochs": 14, "batch_size": 64, "n_jobs": 1}
    return {
        "search": {
            "search_space": {
                "name": "graph/quantize/mixed_precision_ptq",
                "setup": {"by": "type"},
                "seed": {"default": {"config": {"name": ["NA"]}}, "linear": {"config": layer}},
            },
            "strategy": {
                "name": "learned",
                "sw_runner": {"basic_evaluation": {"num_samples": 1000}},
                "hw_runner": {"cost": {"models": ["ebops"]}},
                "setup": given | setup,
                "metrics": {"accuracy": {}, "ebops_hgq": {}},
            },
        }
    }


@pytest.fixture(scope="module")
def go(model: nn.Module, data_module: Jets) -> Callable[..., Any]:
    def run(folder: Path, config: dict[str, Any] | None = None, **options: Any) -> Any:
        info = get_model_info("jsc-mlp")
        dataset = MaseDataModule("jsc-synth", 64).dataset_info
        return search(model, info, "cls", dataset, data_module, config or document(), folder, **options)

    return run


@pytest.fixture(scope="module")
def found(go: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learned")
    go(folder)
    return folder


def best_of(folder: Path) -> list[BestTrial]:
    count = len(json.loads((folder / "best.json").read_text()))
    return [read_best(f"{folder}/best.json#{i}") for i in range(count)]


def content_of(folder: Path) -> dict[str, bytes]:
    """All that a run leaves but the times in log.json and the journal."""
    files = [folder / "best.json", folder / "learned.csv", *folder.glob("*/*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_each_entry_is_one_model(found: Path, model: nn.Module, data_module: Jets) -> None:
    x, y = data_module.arrays("val")
    entries = best_of(found)
    costs = [entry.entry["hardware_metrics"]["ebops_hgq"] for entry in entries]
    assert len(entries) >= 3 and min(costs) <= min(TARGETS)
    for best in entries:
        made = get_model("jsc-mlp").eval()
        assert best.weights is not None
        best.weights.load_into(made)
        evaluator = Evaluator(made, x, y)
        assert evaluator.evaluate(best.config)["accuracy"] == best.entry["software_metrics"]["accuracy"]
        graph, _ = quantize_transform_pass(MaseGraph(made), best.config)
        assert torch.equal(graph.model.eval()(x), evaluator.forward(best.config))
        assert all(row.exact for row in evaluator.certificate(best.config).layers)


def test_the_same_again_adds_nothing(found: Path, go: Callable[..., Any], tmp_path: Path) -> None:
    shutil.copytree(found, tmp_path / "copy")
    before = content_of(found)
    result = go(tmp_path / "copy")
    assert content_of(tmp_path / "copy") == before
    assert len(result.study.trials) == len(json.loads((found / "log.json").read_text()))


def test_a_stop_and_other_threads_change_nothing(
    found: Path, go: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop.training.learning import saved_run

    class StopError(Exception):
        """Where a kill would come."""

    monkeypatch.setattr(saved_run, "_SECONDS", 0.0)
    tell = saved_run.SavedRun.tell
    calls = []

    def stopping(self: Any, learning: Any) -> None:
        tell(self, learning)
        calls.append((learning.position.stage, learning.position.epoch))
        if calls[-1] in ((0, 3), (1, 0), (1, 9)) and calls.count(calls[-1]) == 1:
            raise StopError

    monkeypatch.setattr(saved_run.SavedRun, "tell", stopping)
    for _ in range(3):
        with pytest.raises(StopError):
            go(tmp_path, document(n_jobs=2))
    go(tmp_path, document(n_jobs=2))
    assert len(calls) == 28  # no epoch was trained twice
    assert content_of(tmp_path) == content_of(found)


def test_what_was_changed_is_refused(found: Path, go: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(found, folder)
    best = read_best(f"{folder}/best.json#0")
    formats = folder / best.entry["formats"]["file"]
    formats.write_bytes(formats.read_bytes()[:-1] + b"x")
    with pytest.raises(ConfigError, match=r"learned formats .* were changed or are damaged"):
        best.config  # noqa: B018
    formats.unlink()
    with pytest.raises(ConfigError, match=r"learned formats .*; the same search writes it anew"):
        best.config  # noqa: B018
    go(folder)
    assert best.config["by"] == "name"


def test_wrong_tables(go: Callable[..., Any], tmp_path: Path) -> None:
    for setup, words in (
        ({"targets": None}, "give targets or prices"),
        ({"targets": [-1.0]}, "must be a number above 0"),
        ({"cost": "flops"}, "no target can be set for 'flops'"),
        ({"reach": 2.0}, "reach must be a number"),
        ({"epoch": 2}, "epoch is not known .did you mean 'epochs'"),
    ):
        with pytest.raises(ConfigError, match=words):
            go(tmp_path, document(**setup))
    trains = document()
    trains["search"]["strategy"]["sw_runner"]["basic_train"] = {}
    with pytest.raises(ConfigError, match="leave basic_train out"):
        go(tmp_path, trains)
    assert not list(tmp_path.iterdir())


def test_what_a_table_leaves_out_is_as_in_the_recipe() -> None:
    usual = LearnedSetup(targets=[100.0])
    names = {field.name for field in dataclasses.fields(WidthRecipe)} - {"seed", "start_bits"}
    assert names <= set(LearnedSetup.model_fields)
    assert {name: getattr(usual, name) for name in names} == {n: getattr(WidthRecipe(), n) for n in names}
