"""Trials that train: channel searches and quantization-aware ones, repeatable and apart from each other."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph
from chop.actions.search.metrics import METRICS, SearchMetric
from chop.passes.graph import redefine_transform_pass
from chop.tools.errors import ConfigError

TRAIN = {"num_samples": 128, "max_epochs": 2, "learning_rate": 1e-2}
SPACE = {
    "name": "graph/quantize/channel_size_modifier",
    "seed": {
        "default": {"config": {"name": ["NA"]}},
        "seq_blocks_2": {"config": {"name": ["output_only"], "channel_multiplier": [0.5, 1, 2, 3]}},
        "seq_blocks_4": {"config": {"name": ["input_only"], "parent_block_name": ["seq_blocks_2"]}},
    },
}
INTEGER = {"name": ["integer"], "data_in_width": [8], "data_in_frac_width": [4], "weight_width": [2, 8],
           "weight_frac_width": [None]}  # fmt: skip


@pytest.fixture
def channels(changed: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """The search over four widths of the hidden layer, with ``keys`` set."""

    def make(keys: dict[str, Any] | None = None) -> dict[str, Any]:
        return changed(
            {
                "search_space": copy.deepcopy(SPACE),
                "strategy.eval_mode": False,
                "strategy.sw_runner": {"basic_train": dict(TRAIN)},
                "strategy.setup.sampler": "grid",
                "strategy.setup.n_trials": 4,
                **(keys or {}),
            }
        )

    return make


def figures(result: Any) -> dict[float, dict[str, float]]:
    """Multiplier -> software metrics."""
    return {
        t.user_attrs["sampled_config"]["seq_blocks_2"]["config"]["channel_multiplier"]: t.user_attrs[
            "software_metrics"
        ]
        for t in result.study.trials
    }


def test_every_width_is_tried_and_the_model_stays(
    channels: Callable[..., Any], run: Any, model: nn.Module, tmp_path: Path
) -> None:
    before = copy.deepcopy(model.state_dict())
    result = run(channels(), tmp_path)
    assert set(figures(result)) == {0.5, 1, 2, 3} and len({f["loss"] for f in figures(result).values()}) == 4
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    best = json.loads((tmp_path / "best.json").read_text())["0"]
    graph, info = redefine_transform_pass(MaseGraph(model), best["passes"]["redefine"])
    assert info["widths"]["seq_blocks_4"][1] == 5 and graph.model(torch.randn(2, 16)).shape == (2, 5)
    _, again = redefine_transform_pass(MaseGraph(model), {"config": best["sampled_config"]})
    assert again == info


def test_a_trial_depends_on_seed_and_config_alone(
    channels: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    first = figures(run(channels(), tmp_path / "a"))
    torch.manual_seed(99)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        other_order = figures(run(channels({"strategy.setup.sampler": "brute-force"}), tmp_path / "b"))
        many = figures(run(channels({"strategy.setup.n_jobs": 4}), tmp_path / "c"))
    finally:
        torch.set_num_threads(threads)
    assert first == other_order == many
    assert figures(run(channels(), tmp_path / "d", seed=1)) != first
    stopped = run(channels({"strategy.setup.n_trials": 2}), tmp_path / "e")
    assert len(stopped.study.trials) == 2
    assert figures(run(channels(), tmp_path / "e")) == first


def test_the_figures_are_those_of_a_model_trained_by_hand(
    channels: Callable[..., Any], run: Any, model: nn.Module, data_module: Any, tmp_path: Path
) -> None:
    """One epoch in one batch of plain SGD-free Adam, written out."""
    train = {"num_samples": 300, "max_steps": 3, "learning_rate": 0.02, "lr_scheduler": "constant"}
    data_module.batch_size = 300
    result = run(channels({"strategy.sw_runner": {"basic_train": train}}), tmp_path)
    passes = result.study.trials[0].user_attrs["passes"]
    graph, _ = redefine_transform_pass(MaseGraph(model), passes["redefine"])
    made = graph.model.train()
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    x, y = data_module.arrays("train")
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(x), y).backward()
        optimizer.step()
    x, y = data_module.arrays("val")
    loss = nn.functional.cross_entropy(made.eval()(x), y).item()
    # The order of rows in the batch moves the last digits.
    assert result.study.trials[0].user_attrs["software_metrics"]["loss"] == pytest.approx(loss, rel=1e-4)


def test_basic_evaluation_measures_the_trained_model(
    channels: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    alone = figures(run(channels(), tmp_path / "a"))
    both = {"basic_evaluation": {"num_samples": 300}, "basic_train": dict(TRAIN)}
    measured = figures(run(channels({"strategy.sw_runner": both}), tmp_path / "b"))
    for multiplier, metrics in alone.items():
        assert metrics["loss"] == pytest.approx(measured[multiplier]["loss"], rel=1e-5)
        assert metrics["accuracy"] == pytest.approx(measured[multiplier]["accuracy"])


@pytest.mark.parametrize("aware", [True, False])
def test_channels_and_bits_in_one_space(
    channels: Callable[..., Any], run: Any, model: nn.Module, tmp_path: Path, aware: bool
) -> None:
    space = copy.deepcopy(SPACE)
    space["seed"]["seq_blocks_2"]["quantize"] = INTEGER
    runners = {
        "basic_train": {**TRAIN, "quantization_aware": aware},
        "basic_evaluation": {"num_samples": 300},
    }
    keys = {"search_space": space, "strategy.sw_runner": runners, "strategy.setup.n_trials": 8}
    result = run(channels(keys), tmp_path / "a")
    bits = {t.user_attrs["hardware_metrics"]["average_bitwidth"] for t in result.study.trials}
    assert bits == {2.0, 8.0} and len(result.study.trials) == 8
    by_torch = run(
        channels({**keys, "strategy.sw_runner": {"basic_train": runners["basic_train"]}}), tmp_path / "b"
    )
    for one, other in zip(result.study.trials, by_torch.study.trials, strict=True):
        loss = one.user_attrs["software_metrics"]["loss"]
        assert loss == pytest.approx(other.user_attrs["software_metrics"]["loss"], rel=1e-4)


def test_quantization_aware_training_in_the_mixed_precision_space(
    changed: Callable[..., Any], run: Any, model: nn.Module, data_module: Any, tmp_path: Path
) -> None:
    before = copy.deepcopy(model.state_dict())
    runners = {"basic_train": dict(TRAIN), "basic_evaluation": {"num_samples": 300}}
    result = run(changed({"strategy.sw_runner": runners, "strategy.eval_mode": False}), tmp_path)
    x, y = data_module.arrays("val")
    for trial in result.study.trials:
        untrained = Evaluator(model, x, y).evaluate(trial.user_attrs["sampled_config"])
        assert trial.user_attrs["software_metrics"]["loss"] != untrained.loss
        assert "passes" not in trial.user_attrs
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_metrics_and_runners_see_the_trials_model(
    channels: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    @METRICS.register("weights_of_trial")
    class Weights(SearchMetric):
        kind = "hardware"
        direction = "minimize"

        def compute(self, config: Any, measured: Any, context: Any) -> float:
            return float(sum(p.numel() for p in context.graph.model.parameters()))

    try:
        result = run(channels({"strategy.metrics.weights_of_trial": {}}), tmp_path)
    finally:
        del METRICS["weights_of_trial"]
    counts = {
        t.user_attrs["sampled_config"]["seq_blocks_2"]["config"]["channel_multiplier"]: t.values[2]
        for t in result.study.trials
    }
    assert counts == {k: 32 + 17 * 8 * k + 8 * k * 5 + 5 for k in (0.5, 1, 2, 3)}


def test_inherited_weights_start_from_the_models_own(
    channels: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    slow = {"basic_train": {**TRAIN, "learning_rate": 1e-12, "max_steps": 1}}
    keys = {"strategy.sw_runner": slow, "search_space.setup": {"weights": "inherit"}}
    result = run(channels(keys), tmp_path / "a")
    fresh = run(channels({"strategy.sw_runner": slow}), tmp_path / "b")
    assert result.study.trials[0].user_attrs["passes"]["redefine"]["weights"] == "inherit"
    assert figures(result)[1] != figures(fresh)[1]


def test_trials_that_fail_are_marked_and_the_study_goes_on(
    channels: Callable[..., Any], run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    space = copy.deepcopy(SPACE)
    del space["seed"]["seq_blocks_4"]
    with caplog.at_level(logging.WARNING):
        result = run(channels({"search_space": space}), tmp_path)
    states = {t.user_attrs.get("failure", "")[:40]: t.state.name for t in result.study.trials}
    assert states == {"": "COMPLETE", "redefine: node seq_blocks_2 gives 4 chan": "FAIL",
                      "redefine: node seq_blocks_2 gives 16 cha": "FAIL",
                      "redefine: node seq_blocks_2 gives 24 cha": "FAIL"}  # fmt: skip
    assert "3 of 4 combinations" in caplog.text and len(result.best) == 1


def test_a_training_that_diverges_is_a_failed_trial(
    channels: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    wild = {"basic_train": {"max_epochs": 30, "learning_rate": 1e30, "optimizer": "sgd"}}
    result = run(channels({"strategy.sw_runner": wild}), tmp_path)
    assert {t.state.name for t in result.study.trials} == {"FAIL"} and not result.best
    assert all("training stopped" in t.user_attrs["failure"] for t in result.study.trials)


BAD = {
    "optimizer": ({"optimizer": "adm"}, ["basic_train", "'adm'", "mean 'adam'"]),
    "rate": ({"learning_rate": 0.0}, ["basic_train.learning_rate"]),
    "epochs": ({"max_epochs": 0}, ["basic_train.max_epochs", "got 0"]),
    "schedule": ({"lr_scheduler": "cosin"}, ["basic_train.lr_scheduler", "mean 'cosine'"]),
    "key": ({"max_epoch": 3}, ["basic_train.max_epoch", "mean 'max_epochs'"]),
}


@pytest.mark.parametrize("case", BAD)
def test_options_are_checked(channels: Callable[..., Any], run: Any, tmp_path: Path, case: str) -> None:
    options, words = BAD[case]
    with pytest.raises(ConfigError) as error:
        run(channels({"strategy.sw_runner": {"basic_train": options}}), tmp_path / "nothing")
    assert all(word in str(error.value) for word in words), str(error.value)
    assert not (tmp_path / "nothing").exists()


def test_limits() -> None:
    from chop.actions.search.runners.basic_train import BasicTrainOptions

    assert BasicTrainOptions().steps(7) == 7
    assert BasicTrainOptions(max_epochs=3).steps(7) == 21
    assert BasicTrainOptions(max_steps=9).steps(7) == 9
    assert BasicTrainOptions(max_epochs=3, max_steps=9).steps(7) == 9


def test_both_engines_give_the_same_figures(channels: Callable[..., Any], run: Any, tmp_path: Path) -> None:
    found = {}
    for engine in ("native", "lightning"):
        train = {**TRAIN, "engine": engine, "lr_scheduler": "linear", "num_warmup_steps": 1}
        result = run(channels({"strategy.sw_runner": {"basic_train": train}}), tmp_path / engine)
        found[engine] = figures(result)
    for multiplier, metrics in found["native"].items():
        assert metrics["loss"] == pytest.approx(found["lightning"][multiplier]["loss"], rel=1e-3)
