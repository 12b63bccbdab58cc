"""The quantization space: how nodes find their choices, and what a point of it becomes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph
from chop.actions.search.search_space.quantization import (
    GraphSearchSpaceMixedPrecisionPTQ,
    QuantizationSetup,
)
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
)
from chop.tools.errors import ConfigError

FLOAT = {"config": {"name": [None]}}


def space_of(model: nn.Module, by: str, seed: dict[str, Any]) -> GraphSearchSpaceMixedPrecisionPTQ:
    return GraphSearchSpaceMixedPrecisionPTQ(MaseGraph(model), QuantizationSetup(by=by), seed)


def widths(space: GraphSearchSpaceMixedPrecisionPTQ) -> dict[str, list[int]]:
    """Node -> choices of its weight width."""
    return {
        name.split("/")[0]: choices
        for name, choices in space.choices_flattened.items()
        if name.endswith("/weight_width")
    }


def with_width(choices: dict[str, Any], *values: int) -> dict[str, Any]:
    return {"config": {**choices, "weight_width": list(values)}}


def test_by_type_by_name_and_by_pattern(model: nn.Module, choices: dict[str, Any]) -> None:
    by_type = space_of(model, "type", {"default": FLOAT, "linear": with_width(choices, 2, 3)})
    assert widths(by_type) == {"seq_blocks_2": [2, 3], "seq_blocks_4": [2, 3]}
    by_name = space_of(model, "name", {"default": FLOAT, "seq_blocks_4": with_width(choices, 5)})
    assert widths(by_name) == {"seq_blocks_4": [5]}
    patterns = {
        "seq_blocks_[01]": FLOAT,
        "seq_.*_2": with_width(choices, 6),
        r"seq_blocks_\d": with_width(choices, 7),
    }
    by_pattern = space_of(model, "regex_name", patterns)
    # seq_blocks_3 is a relu: the third pattern gives it choices too, and no default is needed.
    assert widths(by_pattern) == {"seq_blocks_2": [6], "seq_blocks_3": [7], "seq_blocks_4": [7]}


def test_the_first_pattern_that_matches_counts(model: nn.Module, choices: dict[str, Any]) -> None:
    wide, narrow = with_width(choices, 8), with_width(choices, 2)
    first = space_of(model, "regex_name", {"default": FLOAT, "seq_blocks_2": narrow, "seq_blocks_[24]": wide})
    last = space_of(model, "regex_name", {"default": FLOAT, "seq_blocks_[24]": wide, "seq_blocks_2": narrow})
    assert widths(first)["seq_blocks_2"] == [2]
    assert widths(last)["seq_blocks_2"] == [8]


def test_size_and_order(model: nn.Module, choices: dict[str, Any]) -> None:
    space = space_of(model, "type", {"default": FLOAT, "linear": {"config": choices}})
    assert space.size == 36
    nodes = list(dict.fromkeys(name.split("/")[0] for name in space.choices_flattened))
    assert nodes == ["seq_blocks_1", "seq_blocks_2", "seq_blocks_3", "seq_blocks_4"]
    config = space.flattened_indexes_to_config(dict.fromkeys(space.choices_flattened, 0))
    assert list(config) == [*nodes, "default", "by"]
    assert config["seq_blocks_2"]["config"]["weight_width"] == 2


def test_a_point_is_a_config_of_the_quantize_pass(model: nn.Module, choices: dict[str, Any]) -> None:
    """The sampled config, "by" included, gives the pass and the evaluator the same logits."""
    space = space_of(model, "type", {"default": {"config": choices}})
    config = space.flattened_indexes_to_config(
        {name: length - 1 for name, length in space.choice_lengths_flattened.items()}
    )
    before = copy.deepcopy(config)
    x = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    graph, _ = init_metadata_analysis_pass(MaseGraph(model), None)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}})
    graph, _ = quantize_transform_pass(graph, config)
    with torch.no_grad():
        expected = graph.model.eval()(x)
    found = Evaluator(model, x, torch.zeros(50, dtype=torch.int64)).forward(config)
    assert torch.equal(found, expected)
    assert config == before


def test_modes_can_be_searched(model: nn.Module, choices: dict[str, Any]) -> None:
    modes = {"data_in_rounding": ["half_even", "floor", "half_up"], "weight_overflow": ["saturate", "wrap"]}
    seed = {"default": FLOAT, "linear": {"config": {**choices, "data_in_width": [6], **modes}}}
    space = space_of(model, "type", seed)
    assert space.choices_flattened["seq_blocks_4/config/data_in_rounding"] == modes["data_in_rounding"]
    last = {name: length - 1 for name, length in space.choice_lengths_flattened.items()}
    config = space.flattened_indexes_to_config(last)
    assert config["seq_blocks_4"]["config"]["weight_overflow"] == "wrap"
    x = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    with torch.no_grad():
        expected = graph.model.eval()(x)
    assert torch.equal(Evaluator(model, x, torch.zeros(50, dtype=torch.int64)).forward(config), expected)
    for entry, choice in (("data_in_rounding", "flor"), ("weight_overflow", None)):
        bad = {"default": FLOAT, "linear": {"config": {**choices, entry: [choice]}}}
        with pytest.raises(
            ConfigError, match=f"seed.linear.config.{entry} must be one of .*, got {choice!r}"
        ):
            space_of(model, "type", bad)


def test_configs_share_nothing(model: nn.Module, choices: dict[str, Any]) -> None:
    seed = {"default": {"config": choices}}
    before = copy.deepcopy(seed)
    space = space_of(model, "type", seed)
    indexes = dict.fromkeys(space.choices_flattened, 0)
    first = space.flattened_indexes_to_config(indexes)
    first["default"]["config"]["bypass"] = False
    first["seq_blocks_2"]["config"]["weight_width"] = 31
    second = space.flattened_indexes_to_config(indexes)
    assert second["default"]["config"]["bypass"] is True
    assert second["seq_blocks_2"]["config"]["weight_width"] == 2
    assert seed == before


def test_bad_indexes(model: nn.Module, choices: dict[str, Any]) -> None:
    space = space_of(model, "type", {"default": {"config": choices}})
    with pytest.raises(KeyError, match="data_in_width"):
        space.flattened_indexes_to_config({})
    with pytest.raises(IndexError):
        space.flattened_indexes_to_config(dict.fromkeys(space.choices_flattened, 7))


def test_a_module_called_twice_gets_one_choice(choices: dict[str, Any]) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(16, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.fc(x))

    space = space_of(Twice(), "type", {"default": {"config": choices}})
    assert space.size == 6
    config = space.flattened_indexes_to_config({"fc/config/weight_width": 1, "fc/config/data_in_width": 1})
    assert config["fc_1"] == config["fc"]
    assert config["fc_1"]["config"]["weight_width"] == 4


def test_a_model_without_quantizable_layers() -> None:
    with pytest.raises(ConfigError, match="no node that can be quantized"):
        space_of(nn.Sequential(nn.BatchNorm1d(16)), "type", {"default": FLOAT})


def test_keys_of_the_other_kind_are_reported(model: nn.Module, choices: dict[str, Any]) -> None:
    seed = {"default": FLOAT, "linear": {"config": choices}, "seq_blocks_2": {"config": choices}}
    assert space_of(model, "type", seed).unused_keys == ["seq_blocks_2"]
    assert space_of(model, "name", seed).unused_keys == ["linear"]
