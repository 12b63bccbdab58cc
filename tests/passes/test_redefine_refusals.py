"""What the redefine pass refuses, by name and width, with the graph left as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chop import MaseGraph
from chop.models import get_model
from chop.passes.graph import redefine_transform_pass
from chop.tools.errors import ConfigError
from tests.passes.redefine_cases import LAB, redefined, refusal, rule


class Fixed(nn.Module):
    """A written-out width, a layer norm, a chunk: none of them can take other widths."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.a, self.norm, self.b = nn.Linear(16, 8), nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if self.kind == "view":
            x = x.view(-1, 8)
        elif self.kind == "norm":
            x = self.norm(x)
        else:
            x = torch.cat([x.chunk(2, dim=1)[1], x.chunk(2, dim=1)[0]], dim=1)
        return self.b(x)


@pytest.mark.parametrize("kind", ["view", "norm", "chunk"])
def test_operations_with_fixed_widths_refuse_others(kind: str) -> None:
    message = refusal(Fixed(kind), a=rule("output_only", 2), b=rule("input_only"))
    assert f"node {kind}" in message and "a would give 16 channels instead of 8" in message
    assert redefined(Fixed(kind), a=rule("output_only", 1), b=rule("input_only"))(
        torch.randn(4, 16)
    ).shape == (4, 5)


MODEL = "jsc-three-linear-relu"
REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "consumer not told": (
        {"seq_blocks_2": rule("output_only", 2)},
        ["seq_blocks_2 gives 32", "seq_blocks_4 takes 16", "input_only or both"],
    ),
    "wrong parent": (
        {"seq_blocks_2": rule("output_only", 2), "seq_blocks_4": rule("both", 4),
         "seq_blocks_6": rule("input_only", parent="seq_blocks_2")},
        ["seq_blocks_4 gives 64", "seq_blocks_6 takes 32", "parent_block_name seq_blocks_2"],
    ),
    "input of the model": ({"seq_blocks_2": rule("both", 2)}, ["x gives 16", "seq_blocks_2 takes 32"]),
    "unknown kind": (
        {"seq_blocks_2": rule("outputonly", 2)}, ["seq_blocks_2.name", "'outputonly'", "mean 'output_only'"]
    ),
    "no whole number": (
        {"seq_blocks_2": rule("output_only", 0.3)}, ["seq_blocks_2.channel_multiplier", "of 16, got 0.3"]
    ),
    "zero": ({"seq_blocks_2": rule("output_only", 0)}, ["channel_multiplier", "above 0", "got 0"]),
    "negative": ({"seq_blocks_2": rule("output_only", -2)}, ["channel_multiplier", "got -2"]),
    "nan": ({"seq_blocks_2": rule("output_only", float("nan"))}, ["channel_multiplier", "got nan"]),
    "huge": ({"seq_blocks_2": rule("output_only", 10**400)}, ["channel_multiplier", "at most"]),
    "too wide": ({"seq_blocks_2": rule("output_only", 2**20)}, ["channel_multiplier", "1..1048576"]),
    "text": ({"seq_blocks_2": rule("output_only", "2")}, ["channel_multiplier", "got '2'"]),
    "truth": ({"seq_blocks_2": rule("output_only", True)}, ["channel_multiplier", "got True"]),
    "no multiplier": ({"seq_blocks_2": rule("both")}, ["seq_blocks_2.channel_multiplier is missing"]),
    "unknown node": ({"seq_block_2": rule("both", 2)}, ["'seq_block_2'", "mean 'seq_blocks_2'"]),
    "unknown key": (
        {"seq_blocks_2": {"config": {"nam": "both"}}}, ["seq_blocks_2.nam is not known", "mean 'name'"]
    ),
    "no config": ({"seq_blocks_2": {"name": "both"}}, ["seq_blocks_2 must be a table", "'config'"]),
    "more than config": (
        {"seq_blocks_2": {**rule(None), "quantize": {}}}, ["seq_blocks_2.quantize is not known"]
    ),
    "parent that comes later": (
        {"seq_blocks_4": rule("both", 2, "seq_blocks_6")}, ["parent_block_name", "'seq_blocks_6'"]
    ),
    "by": ({"by": "nme"}, ["by must be one of name, type, regex_name", "mean 'name'"]),
    "not a layer": ({"x": rule("both", 2)}, ["node x", "placeholder", "linear"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_nodes_and_widths(case: str) -> None:
    rules, words = REFUSED[case]
    message = refusal(get_model(MODEL), **rules)
    assert all(word in message for word in words), message


def test_bad_arguments_beside_the_config() -> None:
    graph = MaseGraph(get_model(MODEL))
    for arguments, word in (
        (None, "pass_args"),
        ({"config": LAB, "weight": "inherit"}, "mean 'weights'"),
        ({"config": LAB, "weights": "old"}, "weights must be one of fresh, inherit"),
        ({"config": LAB, "seed": -1}, "seed must be"),
        ({"config": [1]}, "config must be a table"),
    ):
        with pytest.raises(ConfigError, match=word):
            redefine_transform_pass(graph, arguments)


def test_a_shared_layer_must_agree_with_itself() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(self.a(x))

    message = refusal(Twice(), a=rule("output_only", 2), a_1=rule("input_only"))
    assert "nodes a and a_1 call the same layer a" in message


def test_tied_weights_are_refused() -> None:
    tied = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 5))
    tied[1].weight = tied[0].weight
    message = refusal(tied, _0=rule("output_only", 2), _1=rule("input_only"))
    assert "shares a weight" in message
