"""What a ``[search]`` table may leave out, and keys that belong to another strategy."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from chop.actions.search.metrics import METRICS, SearchMetric
from chop.actions.search.schema import parse_search_config
from chop.tools.errors import ConfigError

LEAST: dict[str, Any] = {
    "search_space": {
        "name": "graph/quantize/mixed_precision_ptq",
        "setup": {"by": "type"},
        "seed": {"default": {"config": {"name": ["NA"]}}},
    },
    "strategy": {"name": "optuna", "metrics": {"accuracy": {}, "ebops": {}, "average_bitwidth": {}}},
}


def test_set_up_runners_and_rows_have_defaults() -> None:
    strategy = parse_search_config(LEAST).strategy
    assert list(strategy.sw_runner) == ["basic_evaluation"]
    assert sorted(strategy.hw_runner) == ["average_bitwidth", "cost"]
    assert strategy.sw_runner["basic_evaluation"].num_samples is None  # type: ignore[attr-defined]
    assert (strategy.setup.n_trials, strategy.setup.sampler) == (100, "tpe")


@pytest.mark.parametrize(
    ("metrics", "constraints", "software", "hardware"),
    [
        (["latency"], [], [], ["latency"]),
        (["perplexity"], [], ["basic_evaluation"], []),
        (["loss"], ["bops"], ["basic_evaluation"], ["cost"]),
    ],
)
def test_the_runner_of_each_metric_is_there(
    metrics: list[str], constraints: list[str], software: list[str], hardware: list[str]
) -> None:
    table = copy.deepcopy(LEAST)
    table["strategy"]["metrics"] = {name: {} for name in metrics}
    table["strategy"]["constraints"] = {name: {"max": 5.0} for name in constraints}
    strategy = parse_search_config(table).strategy
    assert (list(strategy.sw_runner), list(strategy.hw_runner)) == (software, hardware)


def test_a_runner_that_was_given_stays_alone() -> None:
    table = copy.deepcopy(LEAST)
    table["strategy"] |= {"eval_mode": False, "sw_runner": {"basic_train": {"max_epochs": 1}}}
    assert list(parse_search_config(table).strategy.sw_runner) == ["basic_train"]


def test_a_metric_made_of_what_nobody_computes_is_refused() -> None:
    @METRICS.register("of-nothing")
    class OfNothing(SearchMetric):
        needs = ("no-such-figure",)

        def compute(self, config: Any, measured: Any, context: Any) -> float:
            return float(measured["no-such-figure"])

    try:
        table = copy.deepcopy(LEAST)
        table["strategy"]["metrics"] = {"of-nothing": {}}
        METRICS["no-such-figure"] = SearchMetric
        with pytest.raises(
            ConfigError, match=r"no configured runner computes 'no-such-figure' .no registered"
        ):
            parse_search_config(table)
    finally:
        del METRICS["of-nothing"], METRICS["no-such-figure"]


def test_keys_of_another_strategy_are_noted(changed: Any, run: Any, tmp_path: Path, caplog: Any) -> None:
    with caplog.at_level("INFO", logger="chop"):
        result = run(changed({"strategy.name": "exhaustive"}), tmp_path / "out")
    notes = [r.getMessage() for r in caplog.records if "no use for exhaustive" in r.getMessage()]
    assert len(notes) == 1 and "n_trials" in notes[0] and "of the strategy optuna" in notes[0]
    assert result.best


def test_a_key_that_no_strategy_has_is_refused(changed: Any, run: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"strategy.setup.n_trails is not known"):
        run(changed({"strategy.name": "exhaustive", "strategy.setup.n_trails": 3}), tmp_path / "out")


def test_a_storage_that_was_asked_for_is_not_left_out(changed: Any, run: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage: the strategy 'exhaustive' has no storage"):
        run(changed({"strategy.name": "exhaustive"}), tmp_path / "out", storage="journal:///x.log")
