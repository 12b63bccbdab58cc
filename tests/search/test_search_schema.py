"""Bad search configs: each is one clear line, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chop.actions.search.schema import na_to_none, parse_search_config
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from tests import programs

SEED = "search_space.seed"
LINEAR = f"{SEED}.linear.config"

# keys changed -> what the message must say
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "width 0": ({f"{LINEAR}.weight_width": [0]}, [f"search.{LINEAR}.weight_width must be 1..32, got 0"]),
    "width -3": (
        {f"{LINEAR}.weight_width": [8, -3]},
        [f"search.{LINEAR}.weight_width must be 1..32, got -3"],
    ),
    "width 40": ({f"{LINEAR}.data_in_width": [40]}, [f"search.{LINEAR}.data_in_width must be 1..32, got 40"]),
    "width as text": ({f"{LINEAR}.bias_width": ["8"]}, [f"search.{LINEAR}.bias_width", "'8'"]),
    "width true": ({f"{LINEAR}.bias_width": [True]}, [f"search.{LINEAR}.bias_width", "True"]),
    "width as list": ({f"{LINEAR}.bias_width": [[8]]}, [f"search.{LINEAR}.bias_width", "[8]"]),
    "fraction 99": ({f"{LINEAR}.bias_frac_width": [99]}, [f"search.{LINEAR}.bias_frac_width", "99"]),
    "empty list": ({f"{LINEAR}.weight_width": []}, [f"search.{LINEAR}.weight_width", "at least one choice"]),
    "no list": ({f"{LINEAR}.weight_width": 8}, [f"search.{LINEAR}.weight_width must be a list", "got 8"]),
    "unknown arithmetic": (
        {f"{LINEAR}.name": ["intger"]},
        [f"search.{LINEAR}.name", "'intger'", "mean 'integer'"],
    ),
    "arithmetic as list": ({f"{LINEAR}.name": [["integer"]]}, [f"search.{LINEAR}.name", "['integer']"]),
    "no arithmetic": ({f"{LINEAR}.name": ...}, [f"search.{LINEAR}.name is missing"]),
    "misspelt entry": (
        {f"{LINEAR}.weight_widht": [8]},
        [f"search.{LINEAR}.weight_widht", "mean 'weight_width'"],
    ),
    "missing entry": ({f"{LINEAR}.data_in_width": ...}, [f"search.{LINEAR}", "data_in_width", "missing"]),
    "misspelt config": ({f"{SEED}.linear.confg": {}}, [f"search.{SEED}.linear.confg", "mean 'config'"]),
    "config no table": ({f"{SEED}.linear": {"config": 3}}, [f"search.{SEED}.linear.config", "3"]),
    "neither op nor node": (
        {f"{SEED}.liner": {"config": {"name": ["NA"]}}},
        [SEED, "'liner'", "mean 'linear'"],
    ),
    "entry of an unused key": (
        {f"{SEED}.seq_blocks_2": {"config": {"name": ["integer"], "weight_width": [40]}}},
        [f"search.{SEED}.seq_blocks_2.config.weight_width", "40"],
    ),
    "no default": ({f"{SEED}.default": ...}, [f"search.{SEED}.default is missing", "seq_blocks_1"]),
    "empty seed": ({SEED: {}}, [f"search.{SEED} is empty"]),
    "pattern without match": (
        {"search_space.setup.by": "regex_name", SEED: {"blocks_9": {"config": {"name": ["NA"]}}}},
        [SEED, "'blocks_9'", "matches no node"],
    ),
    "bad pattern": (
        {"search_space.setup.by": "regex_name", SEED: {"seq_(": {"config": {"name": ["NA"]}}}},
        [SEED, "'seq_('", "pattern"],
    ),
    "by typ": ({"search_space.setup.by": "typ"}, ["search_space.setup.by", "'typ'", "mean 'type'"]),
    "no by": ({"search_space.setup.by": ...}, ["search.search_space.setup.by is missing"]),
    "unknown space": ({"search_space.name": "graph/quantize/mixed"}, ["search.search_space.name", "mixed"]),
    "misspelt table": ({"search_space.sead": {}}, ["search.search_space.sead", "mean 'seed'"]),
    "unknown strategy": ({"strategy.name": "optun"}, ["search.strategy.name", "mean 'optuna'"]),
    "training mode": ({"strategy.eval_mode": False}, ["search.strategy.eval_mode must be true"]),
    "eval_mode text": ({"strategy.eval_mode": "yes"}, ["search.strategy.eval_mode", "'yes'"]),
    "unknown sw runner": (
        {"strategy.sw_runner.basic_evaluaton": {}},
        ["search.strategy.sw_runner.basic_evaluaton", "mean 'basic_evaluation'"],
    ),
    "unknown hw runner": ({"strategy.hw_runner.latncy": {}}, ["strategy.hw_runner.latncy", "mean 'latency'"]),
    "num_samples 0": (
        {"strategy.sw_runner.basic_evaluation.num_samples": 0},
        ["search.strategy.sw_runner.basic_evaluation.num_samples", "got 0"],
    ),
    "loader": (
        {"strategy.sw_runner.basic_evaluation.data_loader": "val_loader"},
        ["basic_evaluation.data_loader", "mean 'val_dataloader'"],
    ),
    "two loaders": (
        {"strategy.sw_runner.basic_evaluation.dataloader": "test_dataloader"},
        ["basic_evaluation", "data_loader and dataloader"],
    ),
    "compare_to 0": (
        {"strategy.hw_runner.average_bitwidth.compare_to": 0},
        ["average_bitwidth.compare_to", "got 0"],
    ),
    "n_trials text": ({"strategy.setup.n_trials": "20"}, ["search.strategy.setup.n_trials", "'20'"]),
    "n_trials 0": ({"strategy.setup.n_trials": 0}, ["search.strategy.setup.n_trials", "got 0"]),
    "n_jobs 0": ({"strategy.setup.n_jobs": 0}, ["search.strategy.setup", "n_jobs must be"]),
    "n_jobs 2^31": (
        {"strategy.setup.n_jobs": 2**31},
        ["search.strategy.setup", "n_jobs must be -1 or in 1..4096"],
    ),
    "timeout -1": ({"strategy.setup.timeout": -1}, ["search.strategy.setup.timeout", "got -1"]),
    "misspelt set-up key": ({"strategy.setup.n_trails": 3}, ["strategy.setup.n_trails", "mean 'n_trials'"]),
    "unknown sampler": ({"strategy.setup.sampler": "tpee"}, ["search.strategy.setup.sampler", "mean 'tpe'"]),
    "option of another sampler": ({"strategy.setup.multivariate": True}, ["sampler_options.multivariate"]),
    "sum without direction": (
        {"strategy.setup.sum_scaled_metrics": True, "strategy.setup.direction": ...},
        ["search.strategy.setup", "direction is missing"],
    ),
    "direction": ({"strategy.setup.direction": "maximise"}, ["setup.direction", "mean 'maximize'"]),
    "pickle": ({"strategy.setup.pkl_ckpt": "study.pkl"}, ["pkl_ckpt is refused"]),
    "unknown metric": ({"strategy.metrics.acuracy": {}}, ["strategy.metrics.acuracy", "mean 'accuracy'"]),
    "metric direction": (
        {"strategy.metrics.accuracy.direction": "up"},
        ["metrics.accuracy.direction", "'up'"],
    ),
    "scale NaN": ({"strategy.metrics.accuracy.scale": float("nan")}, ["strategy.metrics.accuracy.scale"]),
    "no metrics": ({"strategy.metrics": {}}, ["search.strategy.metrics is empty"]),
    "no strategy": ({"strategy": ...}, ["search.strategy is missing"]),
    "strategy no table": ({"strategy": 3}, ["search.strategy must be", "got 3"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_config_is_one_clear_line_and_nothing_is_written(
    case: str, changed: Callable[..., Any], run: Callable[..., Any], tmp_path: Path
) -> None:
    keys, expected = BAD[case]
    folder = tmp_path / "search_ckpts"
    with pytest.raises((ConfigError, UnknownNameError)) as caught:
        run(changed(keys), folder)
    message = str(caught.value)
    assert "\n" not in message
    for words in expected:
        assert words in message
    assert not folder.exists()


def test_no_search_table() -> None:
    with pytest.raises(ConfigError, match=r"no \[search\] table"):
        parse_search_config({"model": "jsc-toy"})


def test_table_alone_and_whole_document_are_the_same(config: dict[str, Any]) -> None:
    assert parse_search_config(config) == parse_search_config(config["search"])


def test_na_is_none_and_the_caller_keeps_his_table(config: dict[str, Any]) -> None:
    parsed = parse_search_config(config)
    assert parsed.search_space.seed["default"]["config"]["name"] == [None]
    assert config["search"]["search_space"]["seed"]["default"]["config"]["name"] == ["NA"]
    assert na_to_none({"a": ("NA", {"b": "NA"})}) == {"a": [None, {"b": None}]}


def test_defaults(changed: Callable[..., Any]) -> None:
    table = changed(
        {
            "strategy.sw_runner.basic_evaluation": {"num_samples": 3},
            "strategy.hw_runner.average_bitwidth": {},
            "strategy.setup": {"n_trials": 2},
            "strategy.metrics": {"loss": {}},
        }
    )
    strategy = parse_search_config(table).strategy
    assert strategy.sw_runner["basic_evaluation"].split == "val"
    assert strategy.hw_runner["average_bitwidth"].compare_to == 32
    assert (strategy.setup.sampler, strategy.setup.sum_scaled_metrics, strategy.setup.timeout) == (
        "tpe",
        False,
        None,
    )
    assert strategy.metrics["loss"].scale == 1.0 and strategy.constraints == {}
    sweep = changed({"strategy.name": "exhaustive", "strategy.setup": {}})
    assert parse_search_config(sweep).strategy.setup.n_jobs == strategy.setup.n_jobs == -1


def test_light_import() -> None:
    """Importing the action loads neither optuna nor pydantic."""
    code = "import sys, chop.actions.search; print([m for m in ('optuna', 'pydantic') if m in sys.modules])"
    assert programs.output(code).strip() == "[]"
