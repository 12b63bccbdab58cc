"""Runners, metrics and the objective."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph
from chop.actions.search.context import SearchContext
from chop.actions.search.metrics import METRICS, SearchMetric
from chop.actions.search.objective import Objective
from chop.actions.search.runners import HW_RUNNERS
from chop.actions.search.runners.average_bitwidth import AverageBitwidthOptions, AverageBitwidthRunner
from chop.actions.search.runners.basic_evaluation import first_rows
from chop.actions.search.schema import parse_search_config
from chop.actions.search.search_space.quantization import GraphSearchSpaceMixedPrecisionPTQ
from chop.actions.search.validation import StrictTable
from chop.tools.errors import ConfigError

LAYER = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_frac_width": 2}


class Loaders:
    """A data module that has loaders only, like a LightningDataModule of somebody's own."""

    batch_size = 64

    def __init__(self, arrays: tuple[torch.Tensor, torch.Tensor]) -> None:
        self._data = torch.utils.data.TensorDataset(*arrays)

    def prepare_data(self) -> None:
        """Nothing to fetch."""

    def setup(self) -> None:
        """Nothing to read."""

    def test_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(self._data, batch_size=self.batch_size)


@pytest.mark.parametrize(("num_samples", "rows"), [(1, 64), (64, 64), (65, 128), (257, 300), (10_000, 300)])
def test_rows_are_whole_batches_of_the_split(data_module: Any, num_samples: int, rows: int) -> None:
    x, y = first_rows(data_module, "test", num_samples)
    all_x, all_y = data_module.arrays("test")
    assert torch.equal(x, all_x[:rows]) and torch.equal(y, all_y[:rows])
    from_loader = first_rows(Loaders((all_x, all_y)), "test", num_samples)
    assert torch.equal(from_loader[0], x) and torch.equal(from_loader[1], y)


def test_an_empty_split_is_refused(
    data_module: Any, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    data_module._splits["val"] = (torch.empty(0, 16), torch.empty(0, dtype=torch.int64))
    with pytest.raises(ConfigError, match="the val split holds no rows"):
        first_rows(data_module, "val", 10)
    for where in ("sw_runner.basic_train", "hw_runner.latency"):
        keys = {
            "strategy.sw_runner": {},
            "strategy.metrics": {"average_bitwidth": {}},
            f"strategy.{where}": {},
        }
        with pytest.raises(ConfigError, match=rf"{where}: the \w+ split holds no rows"):
            run(changed(keys), tmp_path / "out", data_module=data_module)


def test_the_split_named_is_the_one_measured(
    changed: Callable[..., Any], run: Any, model: nn.Module, data_module: Any, tmp_path: Path
) -> None:
    for key in ("data_loader", "dataloader"):
        table = changed(
            {"strategy.sw_runner.basic_evaluation": {"num_samples": 128, key: "train_dataloader"}}
        )
        result = run(table, tmp_path / key)
        x, y = (part[:128] for part in data_module.arrays("train"))
        for trial in result.study.trials:
            alone = Evaluator(model, x, y).evaluate(trial.user_attrs["sampled_config"])
            assert trial.user_attrs["software_metrics"]["loss"] == alone.loss


def test_average_bitwidth_counts_weights_of_quantized_linear_layers(model: nn.Module) -> None:
    runner = AverageBitwidthRunner(
        SearchContext(MaseGraph(model), None), AverageBitwidthOptions(compare_to=16)
    )
    config = {
        "by": "name",
        "default": {"config": {"name": None}},
        "seq_blocks_2": {"config": {**LAYER, "weight_width": 3}},
        "seq_blocks_3": {"config": {**LAYER, "weight_width": 30}},
        "seq_blocks_4": {"config": {**LAYER, "weight_width": 6, "bypass": True}},
    }
    # 16 x 8 weights of 3 bits, 8 x 5 of 6; the relu has none, and a bypassed layer counts at its width.
    average = (128 * 3 + 40 * 6) / 168
    assert runner(config) == pytest.approx({"average_bitwidth": average, "memory_density": 16 / average})
    del config["seq_blocks_4"]
    assert runner(config)["average_bitwidth"] == 3


def test_nothing_quantized_counts_as_float_with_one_warning(
    model: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    runner = AverageBitwidthRunner(SearchContext(MaseGraph(model), None), AverageBitwidthOptions())
    config = {"by": "name", "default": {"config": {"name": None}}}
    with caplog.at_level(logging.WARNING, "chop"):
        assert [runner(config) for _ in range(3)] == [{"average_bitwidth": 32.0, "memory_density": 1.0}] * 3
    assert sum("quantizes no linear layer or convolution" in record.message for record in caplog.records) == 1


def make_objective(model: nn.Module, data_module: Any, document: dict[str, Any]) -> Objective:
    config = parse_search_config(document)
    graph = MaseGraph(model)
    space = GraphSearchSpaceMixedPrecisionPTQ(graph, config.search_space.setup, config.search_space.seed)
    return Objective(
        space, SearchContext(graph, data_module), config.strategy, config.strategy.setup.sum_scaled_metrics
    )


def test_nothing_leaks_from_trial_to_trial(
    model: nn.Module, data_module: Any, config: dict[str, Any]
) -> None:
    """Any order of trials gives each point the same figures, and the model stays as it was."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    names = [
        f"seq_blocks_{layer}/config/{entry}_width" for layer in (2, 4) for entry in ("data_in", "weight")
    ]
    points = [dict(zip(names, p, strict=True)) for p in ((0, 0, 0, 0), (1, 2, 1, 2), (0, 1, 1, 0))]
    forward = make_objective(model, data_module, config)
    backward = make_objective(model, data_module, config)
    first = [forward.measure(point, number) for number, point in enumerate(points)]
    last = [backward.measure(point, number) for number, point in enumerate(reversed(points))]
    assert first == list(reversed(last))
    assert len({tuple(outcome.values) for outcome in first}) == 3
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any("Integer" in type(module).__name__ for module in model.modules())


def test_a_repeated_config_is_not_measured_again(
    model: nn.Module, data_module: Any, changed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The two indexes of bias_width hold the same value, so they are the same config.
    objective = make_objective(
        model, data_module, changed({"search_space.seed.linear.config.bias_width": [8, 8]})
    )
    calls: list[Any] = []
    evaluate = Evaluator.evaluate
    monkeypatch.setattr(Evaluator, "evaluate", lambda *args, **kw: calls.append(1) or evaluate(*args, **kw))
    point = {
        f"seq_blocks_{layer}/config/{e}": 0 for layer in (2, 4) for e in ("data_in_width", "weight_width")
    }
    twin = {**point, "seq_blocks_2/config/bias_width": 1}
    first = objective.measure(
        {**twin, "seq_blocks_2/config/bias_width": 0, "seq_blocks_4/config/bias_width": 0}, 4
    )
    again = objective.measure({**twin, "seq_blocks_4/config/bias_width": 1}, 9)
    assert (first.repeat_of, again.repeat_of, len(calls)) == (None, 4, 1)
    assert again.values == first.values
    assert "repeat_of" not in first.user_attributes() and again.user_attributes()["repeat_of"] == 4


def test_an_unsupported_model_is_refused_before_anything_is_written(
    run: Any, config: dict[str, Any], tmp_path: Path
) -> None:
    class Centred(nn.Module):  # a row's result depends on the other rows of its batch
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(16, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.fc(x)
            return y - y.mean(0, keepdim=True)

    with pytest.raises(ConfigError, match="basic_evaluation: this model and data cannot be evaluated"):
        run(config, tmp_path / "out", model=Centred())
    assert not (tmp_path / "out").exists()


def test_a_metric_and_a_runner_of_ones_own(run: Any, changed: Callable[..., Any], tmp_path: Path) -> None:
    @METRICS.register("bits_times_loss")
    class BitsTimesLoss(SearchMetric):
        unit = "bit nat"
        direction = "minimize"
        kind = "hardware"

        def compute(self, config: Any, measured: Any, context: Any) -> float:
            assert context.evaluator.rows == 300 and config["by"] == "name"
            return measured["average_bitwidth"] * measured["loss"]

    @METRICS.register("layers")
    class Layers(SearchMetric):
        direction = "minimize"

    @HW_RUNNERS.register("layer_count")
    class LayerCount:
        metrics = ("layers",)

        class Options(StrictTable):
            factor: float = 1.0

        def __init__(self, context: SearchContext, options: Any) -> None:
            self.factor = options.factor

        def __call__(self, config: Any) -> dict[str, float]:
            nodes = (rule for key, rule in config.items() if key not in ("by", "default"))
            return {"layers": self.factor * sum(rule["config"]["name"] is not None for rule in nodes)}

    try:
        table = changed(
            {
                "strategy.hw_runner.layer_count": {"factor": 10},
                "strategy.metrics": {"bits_times_loss": {}, "layers": {"scale": 0.5}},
            }
        )
        result = run(table, tmp_path)
        assert [d.name for d in result.study.directions] == ["MINIMIZE", "MINIMIZE"]
        for trial in result.study.trials:
            software, hardware = trial.user_attrs["software_metrics"], trial.user_attrs["hardware_metrics"]
            assert hardware["bits_times_loss"] == software["loss"] * hardware["average_bitwidth"]
            assert trial.values == [hardware["bits_times_loss"], 10.0]
        with pytest.raises(
            ConfigError, match=r"hw_runner\.layer_count\.factr is not known \(did you mean 'factor'"
        ):
            run(changed({"strategy.hw_runner.layer_count": {"factr": 1}}), tmp_path)
    finally:
        del METRICS["bits_times_loss"], METRICS["layers"], HW_RUNNERS["layer_count"]


class NotANumber(SearchMetric):
    """Not a number for 2-bit weights in the first layer."""

    unit: ClassVar[str] = "1"

    def compute(self, config: Any, measured: Any, context: Any) -> float:
        return float("nan") if config["seq_blocks_2"]["config"]["weight_width"] == 2 else 1.0


def test_a_metric_that_is_not_a_number_fails_its_trial_only(
    run: Any, changed: Callable[..., Any], tmp_path: Path
) -> None:
    import json

    METRICS["sometimes_nan"] = NotANumber
    try:
        keys = {"strategy.metrics": {"sometimes_nan": {}, "loss": {}}, "strategy.setup.n_trials": 12}
        result = run(changed(keys), tmp_path)
    finally:
        del METRICS["sometimes_nan"]
    widths = {
        t.number: t.user_attrs["sampled_config"]["seq_blocks_2"]["config"]["weight_width"]
        for t in result.study.trials
    }
    failed = {trial.number for trial in result.study.trials if trial.state.name == "FAIL"}
    assert failed == {number for number, width in widths.items() if width == 2}
    assert failed and len(failed) < 12
    log = json.loads((tmp_path / "log.json").read_text())
    assert {int(number) for number, row in log.items() if row["state"] == "FAIL"} == failed
    assert not failed & {entry["number"] for entry in result.best}
