"""``chop.quantize`` and ``chop.quantize_config``: the short rules mean the long ones."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.ir.graph.quantize_config import resolve_quantize_config
from chop.tools.errors import ConfigError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)
        self.tail = nn.Sequential(nn.ReLU(), nn.Linear(3, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(self.fc2(self.act(self.fc1(x))))


A, B = chop.fixed(data=(8, 4), weight=(4, 2)), chop.fixed(data=(8, 5), weight=(6, 4))
NONE = {"config": {"name": None}}


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"linear": "w4.2 x8.4"}, {"by": "type", "linear": {"config": A}, "default": NONE}),
        (
            {"fc1": "w4.2 x8.4", "fc2": B},
            {"by": "name", "fc1": {"config": A}, "fc2": {"config": B}, "default": NONE},
        ),
        ({"re:fc.*": "w4.2 x8.4"}, {"by": "regex_name", "fc.*": {"config": A}, "default": NONE}),
        ({"tail.1": A}, {"by": "name", "tail_1": {"config": A}, "default": NONE}),
        ({"default": A, "fc1": None}, {"by": "name", "fc1": NONE, "default": {"config": A}}),
    ],
)
def test_one_kind_of_key_gives_the_usual_config(short: dict[str, Any], long: dict[str, Any]) -> None:
    assert chop.quantize_config(Net(), short) == long
    assert chop.quantize_config(Net(), long) == long


def test_what_is_more_exact_wins_whatever_the_order() -> None:
    rules = {"linear": "w4.2 x8.4", "re:fc.*": "w6.4 x8.4", "fc1": "w8.6 x8.4"}
    graph = chop.MaseGraph(Net())
    for keys in (list(rules), list(reversed(rules))):
        config = chop.quantize_config(graph, {key: rules[key] for key in keys})
        found = {rule.node: rule.config for rule in resolve_quantize_config(graph, config)}
        widths = {node: None if c is None else c["weight_width"] for node, c in found.items()}
        assert widths == {"fc1": 8, "act": None, "fc2": 6, "tail_0": None, "tail_1": 4}


def test_the_call_equals_the_pass_and_leaves_the_model_alone() -> None:
    torch.manual_seed(0)
    model, x = Net().eval(), torch.randn(7, 6)
    before = model(x)
    quantized = chop.quantize(model, {"linear": "w4.2 x8.4", "re:tail_1": "w6.4 x8.5"})
    config = {"by": "regex_name", "tail_1": {"config": B}, "fc.": {"config": A}, "default": NONE}
    graph, _ = chop.passes.quantize_transform_pass(chop.MaseGraph(model), config)
    assert torch.equal(quantized(x), graph.model.eval()(x)) and not quantized.training
    assert torch.equal(model(x), before) and not torch.equal(quantized(x), before)
    evaluator = chop.Evaluator(model, x.numpy(), np.zeros(7, dtype=np.int64))  # arrays as they are
    assert torch.equal(evaluator.forward(chop.quantize_config(model, config)), quantized(x))
    assert re.fullmatch(r"Evaluator\(7 rows of \[6\], 5 nodes to quantize\)", repr(evaluator))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "there are no rules"),
        ({"fc9": "w4 x8"}, "'fc9' is neither a node .*did you mean 'fc1'.*fc1 .linear., act .relu."),
        ({"fc1": "w4.2,x8"}, "fc1: a format is written like"),
        ({"fc1": 8}, "fc1 must be a format such as"),
        ({"re:gone.*": "w4 x8"}, "matches no node"),
        ({"fc1": "w40.2 x8.4"}, "weight_width must be 1..32, got 40"),
    ],
)
def test_rules_that_do_not_fit(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        chop.quantize(Net(), rules)


def test_what_can_be_typed_after_chop_is_of_chop() -> None:
    names = dir(chop)
    assert {"Any", "importlib", "torch", "annotations", "TYPE_CHECKING"}.isdisjoint(names)
    assert {"fixed", "quantize", "register_model", "Evaluator", "passes", "search"} <= set(names)
    assert all(getattr(chop, name) is not None for name in names)


def test_a_number_with_a_point_is_said_to_be_no_integer() -> None:
    config = {"by": "type", "default": NONE, "linear": {"config": {**A, "weight_width": 4.0}}}
    with pytest.raises(ConfigError, match=r"weight_width must be 1\.\.32, got 4\.0, which is not an integer"):
        chop.quantize(Net(), config)


def test_a_key_of_no_node_is_told_which_there_are() -> None:
    with pytest.raises(ConfigError, match=r"key '_9' is neither .*; nodes: fc1, act, fc2, tail_0, tail_1$"):
        chop.quantize(Net(), {"by": "name", "default": NONE, "_9": {"config": A}})
