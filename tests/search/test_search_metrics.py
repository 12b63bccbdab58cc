"""Metrics by name: of the evaluator, cost models, perplexity, latency, and those of one's own."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop import Evaluator, cost
from chop.actions.search.context import SearchContext
from chop.actions.search.metrics import METRICS, SearchMetric, known_metrics, metric_class
from chop.actions.search.runners import HW_RUNNERS
from chop.actions.search.runners.average_bitwidth import AverageBitwidthOptions, AverageBitwidthRunner
from chop.cost.costs import Costs
from chop.ir.graph import MaseGraph
from chop.metrics import METRICS as OF_LOGITS
from chop.metrics import Metric
from chop.tools.errors import ConfigError

Changed = Callable[..., dict[str, Any]]
COST = ("FLOPs", "BitOPs", "BOPs", "EBOPs", "model_size", "activation_memory", "parameters", "macs")


def test_cost_models_as_metrics(changed: Changed, run: Any, model: nn.Module, tmp_path: Path) -> None:
    """Names in any case, figures of ``chop.cost`` at the batch that was asked for, smaller is better."""
    metrics = {"accuracy": {}, **{name: {} for name in COST}}
    keys = {"strategy.metrics": metrics, "strategy.hw_runner": {"cost": {"batch": 8}}}
    result = run(changed(keys), tmp_path)
    names = ["accuracy", *(name.lower() for name in COST)]
    ways = dict(zip(sorted(names), (d.name for d in result.study.directions), strict=True))
    assert ways.pop("accuracy") == "MAXIMIZE" and set(ways.values()) == {"MINIMIZE"}
    for trial in result.study.trials:
        found = trial.user_attrs["hardware_metrics"]
        report = cost.report(model, batch=8, config=trial.user_attrs["sampled_config"], models=list(found))
        assert found == report.totals() and set(found) == {name.lower() for name in COST}
    assert len({trial.user_attrs["hardware_metrics"]["bops"] for trial in result.study.trials}) > 1


def test_evaluator_metrics_and_perplexity(
    changed: Changed, run: Any, model: nn.Module, data_module: Any, tmp_path: Path
) -> None:
    metrics = {
        "accuracy_micro": {}, "macro_f1": {}, "output_sqnr": {}, "perplexity": {},
        "top_k": {"options": {"k": 2}}, "loss": {"options": {"mean_of_batches": 64}},
    }  # fmt: skip
    result = run(changed({"strategy.metrics": metrics}), tmp_path)
    ev = Evaluator(model, *data_module.arrays("val"))
    asked = [
        "accuracy_micro", "macro_f1", "output_sqnr", {"name": "top_k", "k": 2},
        {"name": "loss", "mean_of_batches": 64},
    ]  # fmt: skip
    for trial in result.study.trials:
        alone = ev.evaluate(trial.user_attrs["sampled_config"], metrics=asked)
        found = trial.user_attrs["software_metrics"]
        assert found["perplexity"] == math.exp(found["loss"]) and found["accuracy"] == alone.accuracy
        for name in ("accuracy_micro", "macro_f1", "output_sqnr", "top_k", "loss"):
            assert found[name] == alone[name]
    ways = [direction.name for direction in result.study.directions]
    assert dict(zip(sorted(metrics), ways, strict=True)) == {
        "accuracy_micro": "MAXIMIZE", "loss": "MINIMIZE", "macro_f1": "MAXIMIZE", "output_sqnr": "MAXIMIZE",
        "perplexity": "MINIMIZE", "top_k": "MAXIMIZE",
    }  # fmt: skip


def test_perplexity_of_an_enormous_loss() -> None:
    assert METRICS["perplexity"]().compute({}, {"loss": 1e4}, None) == math.inf  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"strategy.metrics": {"perplexty": {}}}, "metrics.perplexty: search metric 'perplexty' is not known (did"),
        ({"strategy.metrics": {"confusion_matrix": {}}}, "'confusion_matrix' is not known"),
        ({"strategy.metrics": {"per_class_recall": {}}}, "metrics.per_class_recall: it is [5] numbers"),
        ({"strategy.metrics": {"top_k": {}}}, "search.strategy.metrics: top_k: option k is missing"),
        ({"strategy.metrics": {"top_k": {"options": {"k": 9}}}}, "top_k: k must be 1..5, got 9"),
        ({"strategy.metrics": {"top_k": {"options": {"j": 2}}}}, "option 'j' is not known"),
        ({"strategy.metrics": {"average_bitwidth": {"options": {"k": 2}}}}, "only what basic_evaluation"),
        ({"strategy.hw_runner": {"cost": {"models": ["bobs"]}}, "strategy.metrics": {"loss": {}}}, "mean 'bops'"),
        ({"strategy.hw_runner": {"cost": {"batch": 0}}, "strategy.metrics": {"bops": {}}}, "cost.batch must be"),
        ({"strategy.hw_runner": {"latency": {"repeats": 2}}, "strategy.metrics": {"latency": {}}}, "got 2"),
        ({"strategy.hw_runner": {"latency": {"of": "hls"}}, "strategy.metrics": {"latency": {}}}, "one of"),
        ({"strategy.hw_runner": {"latency": {"cpu": 9999}}, "strategy.metrics": {"latency": {}}}, "got 9999"),
        (
            {"strategy.hw_runner": {"latency": {"batch_size": 301}}, "strategy.metrics": {"latency": {}}},
            "latency.batch_size must be at most 300",
        ),
    ],
)  # fmt: skip
def test_refused_before_the_first_trial(
    keys: dict[str, Any], message: str, changed: Changed, run: Any, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, KeyError)) as caught:
        run(changed(keys), tmp_path / "out")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


class TwoLines(nn.Module):
    """A node whose work nobody can count between two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.sort(self.first(x), dim=1).values)


def test_average_bitwidth_where_torch_computes_a_node() -> None:
    graph = MaseGraph(TwoLines().eval())
    with pytest.raises(ConfigError, match="sort"):
        Costs(graph, models=("bops",), strict=True)
    runner = AverageBitwidthRunner(SearchContext(graph, None), AverageBitwidthOptions(compare_to=16))
    layer = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_frac_width": 2}
    config = {
        "by": "name",
        "default": {"config": {"name": None}},
        "first": {"config": {**layer, "weight_width": 3}},
        "second": {"config": {**layer, "weight_width": 6}},
    }
    average = (128 * 3 + 40 * 6) / 168
    assert runner(config) == pytest.approx({"average_bitwidth": average, "memory_density": 16 / average})


@pytest.fixture
def own() -> Iterator[None]:
    @METRICS.register("bit_loss")
    class BitLoss(SearchMetric):
        direction, needs = "minimize", ("loss", "average_bitwidth")

        def compute(self, config: Any, measured: Any, context: Any) -> float:
            return float(measured["loss"] * measured["average_bitwidth"])

    @cost.cost_model("wires", "bits", "bits of the input of each linear layer")
    def wires(node: Any) -> float | None:
        return node.data_in * node.inputs[0][1] if node.op == "linear" else None

    @OF_LOGITS.register("largest")
    class Largest(Metric):
        """The largest logit."""

        unit, direction = "1", "maximize"

        def compute(self, logits: torch.Tensor, y: Any, *reference: torch.Tensor) -> torch.Tensor:
            return logits.max()

    yield
    del METRICS["bit_loss"], cost.COST_MODELS["wires"], OF_LOGITS["largest"]


def test_metrics_of_ones_own(
    own: None, changed: Changed, run: Any, model: nn.Module, data_module: Any, tmp_path: Path
) -> None:
    """A metric of searches, a cost model and a metric of the evaluator, each one registered thing."""
    keys: dict[str, Any] = {
        "strategy.metrics": {"bit_loss": {}, "wires": {}, "largest": {}},
        "strategy.hw_runner": {"average_bitwidth": {}, "cost": {}},
    }
    ev = Evaluator(model, *data_module.arrays("val"))
    for trial in run(changed(keys), tmp_path).study.trials:
        config = trial.user_attrs["sampled_config"]
        software, hardware = trial.user_attrs["software_metrics"], trial.user_attrs["hardware_metrics"]
        assert software["bit_loss"] == software["loss"] * hardware["average_bitwidth"]
        assert software["largest"] == float(ev.forward(config).max())
        layers = [config[f"seq_blocks_{i}"]["config"]["data_in_width"] for i in (2, 4)]
        assert hardware["wires"] == layers[0] * 16 + layers[1] * 8
        assert trial.values == [software["bit_loss"], software["largest"], hardware["wires"]]
    filled = run(
        changed({**keys, "strategy.hw_runner": {"cost": {}}}), tmp_path / "filled"
    )  # with the runner it needs
    assert all("average_bitwidth" in trial.user_attrs["hardware_metrics"] for trial in filled.study.trials)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"bit_loss": {}}, "metrics.bit_loss: the strategy exhaustive judges by what the core computes"),
        ({"largest": {}}, "metrics.largest: the strategy exhaustive judges by"),
        ({"perplexity": {}}, "metrics.perplexity: the strategy exhaustive judges by"),
        ({"latency": {}}, "metrics.latency: the strategy exhaustive judges by"),
        ({"top_k": {"options": {"k": 2}}}, "metrics.top_k.options: the strategy exhaustive takes metrics without"),
    ],
)  # fmt: skip
def test_what_the_sweep_refuses(
    own: None, metrics: Any, message: str, changed: Changed, run: Any, tmp_path: Path
) -> None:
    keys = {
        "strategy.name": "exhaustive",
        "strategy.setup": {},
        "strategy.metrics": metrics,
        "strategy.hw_runner": {"average_bitwidth": {}, "latency": {}, "cost": {}},
    }
    for options in ({}, {"validate_only": True}, {"dry_run": True}):
        with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
            run(changed(keys), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_costs_of_a_model_with_a_node_that_nobody_can_count(
    changed: Changed, run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = TwoLines().eval()
    keys = {
        "strategy.metrics": {"accuracy_micro": {}, "bops": {}},
        "strategy.hw_runner": {"cost": {}},
    }
    exhaustive = {"strategy.name": "exhaustive", "strategy.setup": {}}
    for number, table in enumerate((keys, {**keys, **exhaustive})):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "chop.cost"):
            result = run(changed(table), tmp_path / str(number), model=model)
        assert result.best
        told = [r.message for r in caplog.records if "left out of the figures" in r.message]
        assert len(told) == 1 and "sort" in told[0]
        with pytest.raises(ConfigError, match=r"sort.*strict=False"):
            run(
                changed({**table, "strategy.hw_runner": {"cost": {"strict": True}}}),
                tmp_path / "no",
                model=model,
            )


def test_the_sweep_takes_one_count_of_average_widths(changed: Changed, run: Any, tmp_path: Path) -> None:
    keys = {
        "strategy.name": "exhaustive",
        "strategy.setup": {},
        "strategy.hw_runner": {"average_bitwidth": {"compare_to": 32, "count": "mase"}},
    }
    with pytest.raises(ConfigError, match="average_bitwidth_mase is a metric of its own"):
        run(changed(keys), tmp_path / "out")


def test_the_sweep_by_cost_models(own: None, changed: Changed, run: Any, tmp_path: Path) -> None:
    keys = {
        "strategy.metrics": {"accuracy_micro": {}, "bops": {}, "wires": {}},
        "strategy.hw_runner": {"cost": {}},
        "strategy.constraints": {"model_size": {"max": 200.0}},
    }
    loop = {"strategy.setup.sampler": "brute-force", "strategy.setup.n_trials": 36}
    by_loop = run(changed({**keys, **loop}), tmp_path / "loop")
    swept = run(changed({**keys, "strategy.name": "exhaustive", "strategy.setup": {}}), tmp_path / "swept")
    assert swept.best and {tuple(e["value"]) for e in swept.best} == {tuple(e["value"]) for e in by_loop.best}
    assert max(e["hardware_metrics"]["model_size"] for e in swept.best) <= 200.0


def test_every_known_metric_says_what_it_is() -> None:
    for name in known_metrics():
        metric = metric_class(name)
        assert metric.__doc__ and metric.unit and metric.direction in ("minimize", "maximize")
    assert {"cost", "latency", "average_bitwidth"} <= set(HW_RUNNERS)
