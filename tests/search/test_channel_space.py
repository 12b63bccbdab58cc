"""The space of channel numbers: choices, combinations that do not fit, configs that can be used."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import nn

from chop import MaseGraph
from chop.actions.search.search_space.channel_size import ChannelSizeSetup, GraphSearchSpaceChannelSize
from chop.models import get_model
from chop.passes.graph import quantize_transform_pass, redefine_transform_pass
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

QUANTIZE = {"name": ["integer"], "data_in_width": [8], "data_in_frac_width": [4], "weight_width": [4, 8],
            "weight_frac_width": [None]}  # fmt: skip


def seeds(first: Any = (1, 2, 4), second: Any = (1, 4)) -> dict[str, Any]:
    """The labs' seeds, without a default."""
    return {
        "seq_blocks_2": {"config": {"name": ["output_only"], "channel_multiplier": list(first)}},
        "seq_blocks_4": {
            "config": {
                "name": ["both"],
                "channel_multiplier": list(second),
                "parent_block_name": ["seq_blocks_2"],
            }
        },
        "seq_blocks_6": {
            "config": {
                "name": ["input_only"],
                "channel_multiplier": [1, 2, 4],
                "parent_block_name": ["seq_blocks_4"],
            }
        },
    }


def space_of(
    seed: dict[str, Any], model: nn.Module | None = None, **setup: Any
) -> GraphSearchSpaceChannelSize:
    graph = MaseGraph(model or get_model("jsc-three-linear-relu"))
    return GraphSearchSpaceChannelSize(graph, ChannelSizeSetup(**setup), seed)


def test_choices_and_the_config_of_a_point() -> None:
    space = space_of({"default": {"config": {"name": [None]}}, **seeds()})
    several = {name: values for name, values in space.choices_flattened.items() if len(values) > 1}
    # The input's own multiplier is no choice: it takes its parent's.
    assert several == {
        "seq_blocks_2/config/channel_multiplier": [1, 2, 4],
        "seq_blocks_4/config/channel_multiplier": [1, 4],
    }
    assert space.size == 6 and not space.unused_keys
    point = {"seq_blocks_2/config/channel_multiplier": 1, "seq_blocks_4/config/channel_multiplier": 1}
    config = space.flattened_indexes_to_config(point)
    assert config["by"] == "name" and config["default"] == {"config": {"name": None}}
    _, info = redefine_transform_pass(MaseGraph(get_model("jsc-three-linear-relu")), {"config": config})
    assert info["widths"] == {"seq_blocks_2": (16, 32), "seq_blocks_4": (32, 64), "seq_blocks_6": (64, 5)}
    passes = space.passes_of(config, seed=3)
    assert list(passes) == ["redefine"]
    _, again = redefine_transform_pass(MaseGraph(get_model("jsc-three-linear-relu")), passes["redefine"])
    assert again == info


def test_points_that_mean_the_same_have_one_key() -> None:
    seed = {"seq_blocks_2": {"config": {"name": [None, "output_only"], "channel_multiplier": [1, 2]}}}
    seed |= {"seq_blocks_4": {"config": {"name": ["input_only"]}}}
    space = space_of(seed)
    name, multiplier = "seq_blocks_2/config/name", "seq_blocks_2/config/channel_multiplier"
    keys = [space.key_of({name: i, multiplier: j}) for i in (0, 1) for j in (0, 1)]
    assert keys[0] == keys[1] and len(set(keys)) == 3


def test_quantization_in_the_same_space() -> None:
    seed = seeds()
    seed["seq_blocks_4"]["quantize"] = QUANTIZE
    seed["seq_blocks_3"] = {"config": {"name": [None]}, "quantize": {"name": ["integer", None], "data_in_width": [6],
                                                                     "data_in_frac_width": [3]}}  # fmt: skip
    space = space_of(seed, weights="inherit")
    assert space.choices_flattened["seq_blocks_4/quantize/weight_width"] == [4, 8]
    point = {name: n - 1 for name, n in space.choice_lengths_flattened.items()}
    config = space.flattened_indexes_to_config(point)
    assert (
        config["seq_blocks_4"]["quantize"]["weight_width"] == 8 and "quantize" not in config["seq_blocks_3"]
    )
    passes = space.passes_of(config, seed=0)
    assert list(passes) == ["redefine", "quantize"] and passes["redefine"]["weights"] == "inherit"
    graph, _ = redefine_transform_pass(MaseGraph(get_model("jsc-three-linear-relu")), passes["redefine"])
    graph, info = quantize_transform_pass(graph, passes["quantize"])
    assert info["rules"]["seq_blocks_4"] == "seq_blocks_4" and info["rules"]["seq_blocks_2"] == "default"
    assert type(graph.model.get_submodule("seq_blocks.4")).__name__ == "LinearInteger"
    assert graph.model(torch.randn(2, 16)).shape == (2, 5)


def test_a_layer_called_twice_has_one_choice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(self.a(x)))

    seed = {"linear": {"config": {"name": [None]}, "quantize": QUANTIZE}}
    space = space_of(seed, Twice(), by="type")
    assert set(space.choices_flattened) >= {"a/quantize/weight_width", "b/quantize/weight_width"}
    assert not any(name.startswith("a_1/") for name in space.choices_flattened)
    config = space.flattened_indexes_to_config({"a/quantize/weight_width": 1, "b/quantize/weight_width": 0})
    assert config["a_1"] == config["a"]


def test_combinations_that_do_not_fit(caplog: pytest.LogCaptureFixture) -> None:
    partly = {"seq_blocks_2": seeds()["seq_blocks_2"]}
    with caplog.at_level(logging.WARNING):
        space_of(partly)
    assert "2 of 3 combinations" in caplog.text and "seq_blocks_2 gives 32" in caplog.text
    never = {"seq_blocks_2": {"config": {"name": ["output_only"], "channel_multiplier": [2, 3]}}}
    with pytest.raises(
        ConfigError, match=r"no combination .* seq_blocks_2 gives 32 .* seq_blocks_4 takes 16"
    ):
        space_of(never)
    output = {"seq_blocks_6": {"config": {"name": ["output_only"], "channel_multiplier": [2]}}}
    with pytest.raises(ConfigError, match="model's output: it would have 10 channels instead of 5"):
        space_of(output)


CONFIG = "search.search_space.seed.seq_blocks_2.config"
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown node": ({"seq_block_2": {"config": {"name": [None]}}}, ["'seq_block_2'", "mean 'seq_blocks_2'"]),
    "no lists": ({"seq_blocks_2": {"config": {"name": "both"}}}, [f"{CONFIG}.name must be a list", "'both'"]),
    "empty list": (
        {"seq_blocks_2": {"config": {"name": ["both"], "channel_multiplier": []}}}, [f"{CONFIG}.channel_multiplier"]
    ),
    "no name": ({"seq_blocks_2": {"config": {"nmae": [None]}}}, [f"{CONFIG}.nmae is not known", "mean 'name'"]),
    "kind": ({"seq_blocks_2": {"config": {"name": ["bth"]}}}, [f"{CONFIG}.name", "'bth'", "mean 'both'"]),
    "multiplier": (
        {"seq_blocks_2": {"config": {"name": ["both"], "channel_multiplier": [1, 0]}}},
        [f"{CONFIG}.channel_multiplier must be a number above 0", "got 0"],
    ),
    "no multiplier": ({"seq_blocks_2": {"config": {"name": ["both"]}}}, [f"{CONFIG}.channel_multiplier is missing"]),
    "table": ({"seq_blocks_2": {"confg": {}}}, ["seq_blocks_2.confg is not known", "mean 'config'"]),
    "no config": ({"seq_blocks_2": {"quantize": {}}}, ["seq_blocks_2.config is missing"]),
    "quantizer entry": (
        {"seq_blocks_2": {"config": {"name": [None]}, "quantize": {**QUANTIZE, "weight_width": [40]}}},
        ["seq_blocks_2.quantize", "40"],
    ),
    "quantizer incomplete": (
        {"seq_blocks_2": {"config": {"name": [None]}, "quantize": {"name": ["integer"], "data_in_width": [8]}}},
        ["seq_blocks_2.quantize.data_in_frac_width is missing"],
    ),
    "nothing": ({"default": {"config": {"name": [None]}}}, ["no layer of the model has choices"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_seeds_that_are_refused(case: str) -> None:
    seed, words = BAD[case]
    with pytest.raises(ConfigError) as error:
        space_of(seed)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_unknown_arithmetic() -> None:
    seed = {"seq_blocks_2": {"config": {"name": [None]}, "quantize": {**QUANTIZE, "name": ["intger"]}}}
    with pytest.raises(UnknownNameError, match="mean 'integer'"):
        space_of(seed)
