"""The recorded searches: space, configs, average bit width, and what a trial of its own must return."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph
from chop.actions.search import search
from chop.actions.search.context import SearchContext
from chop.actions.search.objective import Objective
from chop.actions.search.results import best_trials_text
from chop.actions.search.runners.average_bitwidth import AverageBitwidthOptions, AverageBitwidthRunner
from chop.actions.search.schema import parse_search_config
from chop.actions.search.search_space.quantization import (
    GraphSearchSpaceMixedPrecisionPTQ,
    QuantizationSetup,
)
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
)

SEEDS = ("example_by_name", "example_by_type", "all_default_name", "choose_none_or_int")
RUNS = [f"{model}.{seed}" for model in ("jsc-tiny", "jsc-toy") for seed in SEEDS]
BY_NAME = [run for run in RUNS if not run.endswith("by_type")]
BY_TYPE = [run for run in RUNS if run.endswith("by_type")]


class Chain(nn.Module):
    """The layers of a JSC model under ``seq_blocks``."""

    def __init__(self, widths: list[int], norms: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm1d(widths[0]), nn.ReLU()]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs)] if norms else []), nn.ReLU()]
        self.seq_blocks = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.seq_blocks(x)


class Recorded:
    """One recorded run with its model, rows and space."""

    batch_size = 16

    def __init__(self, folder: Path, name: str) -> None:
        document = json.loads((folder / "reference" / "search.json").read_text())
        self.name, self.run = name, document["runs"][name]
        with np.load(folder / "reference" / "search.npz") as arrays:
            self.arrays_of_run = {
                key.removeprefix(f"{name}."): arrays[key]
                for key in arrays.files
                if key.startswith(f"{name}.")
            }
            model_name = name.split(".")[0]
            state = {
                key.removeprefix(f"{model_name}.sd."): torch.from_numpy(np.array(arrays[key]))
                for key in arrays.files
                if key.startswith(f"{model_name}.sd.")
            }
        tiny = model_name == "jsc-tiny"
        self.model = Chain([16, 5] if tiny else [16, 8, 8, 5], norms=not tiny).eval()
        self.model.load_state_dict(state)
        self.graph = MaseGraph(self.model)
        self.space = self.make_space(self.run["by"])
        self.x0 = torch.from_numpy(self.arrays_of_run["x0"])

    def make_space(self, by: str) -> GraphSearchSpaceMixedPrecisionPTQ:
        return GraphSearchSpaceMixedPrecisionPTQ(self.graph, QuantizationSetup(by=by), self.run["seed"])

    # The methods of a data module.
    def prepare_data(self) -> None:
        """Nothing to fetch."""

    def setup(self) -> None:
        """Nothing to read."""

    def arrays(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        assert split == "val"
        x, y = (np.concatenate([self.arrays_of_run[f"{kind}{i}"] for i in range(3)]) for kind in "xy")
        return torch.from_numpy(x), torch.from_numpy(y)

    def document(self, key: str, **setup: Any) -> dict[str, Any]:
        strategy = self.run[key]["strategy_config"]
        return {
            "search_space": {
                "name": "graph/quantize/mixed_precision_ptq",
                "setup": {"by": self.run["by"]},
                "seed": self.run["seed"],
            },
            "strategy": {**strategy, "setup": {**strategy["setup"], **setup}},
        }

    def objective(self, key: str) -> Objective:
        config = parse_search_config(self.document(key)).strategy
        return Objective(self.space, SearchContext(self.graph, self), config, config.setup.sum_scaled_metrics)

    def torch_output(self, config: dict[str, Any]) -> torch.Tensor:
        """Logits of a fresh graph, quantized by the pass."""
        graph, _ = init_metadata_analysis_pass(MaseGraph(self.model), None)
        graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": self.x0.clone()}})
        graph, _ = quantize_transform_pass(graph, config)
        with torch.no_grad():
            return graph.model.eval()(self.x0.clone())


@pytest.fixture
def recorded(request: pytest.FixtureRequest, shared_dir: Path) -> Recorded:
    return Recorded(shared_dir, request.param)


every_run = pytest.mark.parametrize("recorded", RUNS, indirect=True)
by_name_runs = pytest.mark.parametrize("recorded", BY_NAME, indirect=True)
by_type_runs = pytest.mark.parametrize("recorded", BY_TYPE, indirect=True)


@every_run
def test_the_space_is_the_recorded_one(recorded: Recorded) -> None:
    assert recorded.space.choices_flattened == recorded.run["choices_flattened"]
    assert list(recorded.space.choices_flattened) == list(recorded.run["choices_flattened"])
    assert recorded.space.choice_lengths_flattened == recorded.run["choice_lengths_flattened"]
    assert recorded.space.default_config == recorded.run["default_config"]


@every_run
def test_indexes_become_the_recorded_config(recorded: Recorded) -> None:
    for trial in recorded.run["trials"]:
        config = recorded.space.flattened_indexes_to_config(trial["indexes"])
        # The keys are nodes, so "by" is the name even where the seed goes by type (MASE says "type" there).
        assert config == {**trial["config"], "by": "name"}
        several = {
            k: i for k, i in trial["indexes"].items() if recorded.space.choice_lengths_flattened[k] > 1
        }
        assert recorded.space.flattened_indexes_to_config(several) == config


@by_name_runs
def test_average_bitwidth_is_the_recorded_one(recorded: Recorded) -> None:
    runner = AverageBitwidthRunner(SearchContext(recorded.graph, None), AverageBitwidthOptions(compare_to=32))
    isolated = [
        (t["indexes"], t["hardware_metrics"]["average_bitwidth"]) for t in recorded.run["isolated_trials"]
    ]
    # In MASE a layer left alone keeps what an earlier trial made of it: only isolated ones count there.
    stale = recorded.name.endswith("none_or_int")
    sequence = [] if stale else [(t["indexes"], t["average_bitwidth"]) for t in recorded.run["trials"]]
    for indexes, expected in isolated + sequence:
        found = runner(recorded.space.flattened_indexes_to_config(indexes))
        assert found["average_bitwidth"] == pytest.approx(expected, abs=1e-12)
        assert found["memory_density"] == pytest.approx(32 / expected, abs=1e-12)


@by_name_runs
@pytest.mark.parametrize("key", ["objective_sum_true", "objective_sum_false"])
def test_each_trial_returns_what_an_isolated_one_does(recorded: Recorded, key: str) -> None:
    objective = recorded.objective(key)
    for number, trial in enumerate(recorded.run["isolated_trials"]):
        outcome = objective.measure(trial["indexes"], number)
        assert outcome.software == pytest.approx(trial["software_metrics"], abs=1e-6)
        assert outcome.hardware == pytest.approx(trial["hardware_metrics"], abs=1e-12)
        assert outcome.scaled == pytest.approx(trial["scaled_metrics"], abs=1e-6)
        assert list(outcome.scaled) == sorted(trial["scaled_metrics"]) == list(trial["scaled_metrics"])
        values = [sum(trial["returned"])] if key.endswith("true") else trial["returned"]
        assert outcome.values == pytest.approx(values, abs=1e-6)


@by_name_runs
def test_logits_are_those_of_an_isolated_trial(recorded: Recorded) -> None:
    evaluator = Evaluator(recorded.graph, recorded.x0, torch.zeros(16, dtype=torch.int64))
    for number, trial in enumerate(recorded.run["isolated_trials"]):
        config = recorded.space.flattened_indexes_to_config(trial["indexes"])
        expected = torch.from_numpy(recorded.arrays_of_run[f"iso{number}.out"])
        torch.testing.assert_close(evaluator.forward(config), expected, rtol=1e-5, atol=1e-6)


@every_run
def test_logits_are_those_of_the_quantize_pass(recorded: Recorded) -> None:
    evaluator = Evaluator(recorded.graph, recorded.x0, torch.zeros(16, dtype=torch.int64))
    for trial in recorded.run["trials"]:
        config = recorded.space.flattened_indexes_to_config(trial["indexes"])
        torch.testing.assert_close(
            evaluator.forward(config), recorded.torch_output(config), rtol=1e-5, atol=1e-6
        )


@by_type_runs
def test_by_type_uses_what_was_sampled(recorded: Recorded) -> None:
    """MASE bypasses every layer there (8 bits, float logits); here the choices of each node count."""
    runner = AverageBitwidthRunner(SearchContext(recorded.graph, None), AverageBitwidthOptions())
    evaluator = Evaluator(recorded.graph, recorded.x0, torch.zeros(16, dtype=torch.int64))
    modules = recorded.graph.modules
    averages = []
    for trial in recorded.run["trials"]:
        assert trial["average_bitwidth"] == 8
        config = recorded.space.flattened_indexes_to_config(trial["indexes"])
        linear = {n: c["config"] for n, c in config.items() if n.startswith("seq_") and c["config"]["name"]}
        sizes = {node: modules[node.replace("blocks_", "blocks.")].weight.numel() for node in linear}
        expected = sum(sizes[n] * linear[n]["weight_width"] for n in linear) / sum(sizes.values())
        averages.append(runner(config)["average_bitwidth"])
        assert averages[-1] == pytest.approx(expected)
        assert not torch.equal(evaluator.forward(config), evaluator.forward(None))
    assert len(set(averages)) > 1


@every_run
def test_a_whole_search_on_the_recorded_rows(recorded: Recorded, tmp_path: Path) -> None:
    """Every trial of a study equals an evaluation of its own config alone."""
    result = search(
        recorded.model,
        None,
        "cls",
        None,
        recorded,
        recorded.document("objective_sum_false", n_trials=8),
        tmp_path,
    )
    x, y = recorded.arrays("val")
    assert len(result.study.trials) == 8
    for trial in result.study.trials:
        config = trial.user_attrs["sampled_config"]
        alone = Evaluator(MaseGraph(recorded.model), x, y).evaluate(config)
        assert trial.user_attrs["software_metrics"] == {"loss": alone.loss, "accuracy": alone.accuracy}
        torch.testing.assert_close(alone.loss, _torch_loss(recorded, config, x, y), rtol=1e-5, atol=1e-6)


def _torch_loss(recorded: Recorded, config: dict[str, Any], x: torch.Tensor, y: torch.Tensor) -> float:
    graph, _ = init_metadata_analysis_pass(MaseGraph(recorded.model), None)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x.clone()}})
    graph, _ = quantize_transform_pass(graph, config)
    with torch.no_grad():
        return nn.functional.cross_entropy(graph.model.eval()(x.clone()).double(), y).item()


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_the_printed_table_is_the_recorded_one(shared_dir: Path, kind: str) -> None:
    folder = shared_dir / "reference" / "text"
    best = json.loads((folder / f"best_{kind}.json").read_text())
    recorded_text = (folder / f"best_trials_{kind}.txt").read_text()
    # MASE writes the title twice: once by the logger's caller, once in the text.
    assert "Best trial(s):\n" + best_trials_text(list(best.values())) + "\n" == recorded_text
