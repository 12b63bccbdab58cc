"""What costs can be asked of: examples, shapes, metadata, evaluators; and what contradicts itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator, MaseGraph, cost
from chop.tools.errors import ConfigError

CONV = nn.Sequential(nn.Conv2d(2, 3, 3, padding=(1, 0)), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 4))
X = torch.zeros(2, 2, 6, 8)
MACS = 2 * (3 * 36 * 18 + 3 * 36 * 4)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(5, 3)

    def forward(self, x: Tensor, y: Tensor, scale: float = 2.0) -> Tensor:
        return self.a(x) + self.b(y) * scale


WAYS: list[tuple[Any, dict[str, Any], str]] = [
    (CONV, {"batch": X}, "the example input"),
    (CONV, {"x": X}, "the example input"),
    (CONV, {"x": X, "batch": 2}, "the example input"),
    (CONV, {"x": X.numpy()}, "the example input"),
    (CONV, {"x": (X,)}, "the example input"),
    (CONV, {"x": {"input": X}}, "the example input"),
    (CONV, {"x": X.to("meta")}, "the example input"),
    (CONV, {"batch": 2, "input_shapes": (2, 6, 8)}, "input_shapes"),
    (CONV, {"batch": 2, "input_shapes": {"input": (2, 6, 8)}}, "input_shapes"),
    (MaseGraph(CONV), {"batch": X}, "the example input"),
]


@pytest.mark.parametrize(("mg", "arguments", "source"), WAYS)
def test_ways_to_say_the_shapes(mg: Any, arguments: dict[str, Any], source: str) -> None:
    found = cost.report(mg, models=("macs",), **arguments)
    assert found["macs"].total == MACS and found.batch == 2
    assert found.inputs == f"input_1 2x2x6x8 float32 (from {source})"
    assert f"batch 2, inputs: {found.inputs}" in str(found)


def test_an_evaluator_tells_the_shapes_of_a_row() -> None:
    ev = Evaluator(CONV, torch.zeros(7, 2, 6, 8))
    found = cost.report(ev, models=("macs",))
    assert found["macs"].total == MACS / 2 and "from the evaluator's data" in found.inputs
    assert cost.report(ev, 2, models=("macs",))["macs"].total == MACS
    assert cost.report(ev, 100, models=("macs",))["macs"].total == MACS * 50


def test_several_inputs_and_one_with_a_default() -> None:
    x, y = torch.zeros(3, 4), np.zeros((3, 5), np.float32)
    for given in ((x, y), [x, y], {"x": x, "y": y}, (x, y, 3.0), {"y": y, "x": x, "scale": 3.0}):
        assert cost.report(Two(), given, models=("macs",))["macs"].total == 3 * (12 + 15)
    shapes = {"x": (4,), "y": (5,)}
    assert cost.report(Two(), 3, models=("macs",), input_shapes=shapes)["macs"].total == 3 * 27


def test_whole_numbers_go_into_tables() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    for found in (
        cost.report(model, torch.zeros(3, 6, dtype=torch.int64), models=("macs", "parameters")),
        cost.report(model, 3, input_shapes=(6,), models=("macs", "parameters")),
    ):
        assert found.totals() == {"macs": 3 * 6 * 8, "parameters": 40 + 10}


@pytest.mark.parametrize(
    ("mg", "arguments", "message"),
    [
        (CONV, {"x": X, "batch": 3}, "the example has 2 rows and the batch is 3"),
        (CONV, {"x": X, "input_shapes": (2, 6, 8)}, "an example or input_shapes, not both"),
        (CONV, {"x": X, "batch": X}, "two examples are given"),
        (CONV, {"batch": True}, "the batch must be 1 or more, got True"),
        (CONV, {"batch": -1}, "the batch must be 1 or more, got -1"),
        (CONV, {"x": (X, X)}, "the example has 2 inputs, the model 1: input"),
        (CONV, {"x": {"imput": X}}, "the model has no input 'imput'; it has: input"),
        (CONV, {"x": torch.tensor(1.0)}, "an example must be a tensor or array"),
        (CONV, {"x": "abc"}, "an example must be a tensor or array"),
        (CONV, {"x": torch.zeros(2, 5, 6, 8)}, "node _0"),
        (CONV, {"input_shapes": {"imput": (2, 6, 8)}}, "input_shapes.imput is no input"),
        (Two(), {"x": torch.zeros(3, 4)}, "the example has no value for y"),
        (Two(), {"input_shapes": (4,)}, "the model has 2 inputs"),
        (Two(), {"input_shapes": {"x": (4,)}}, "no shape for the input y"),
        (Two(), {}, "the model has 2 inputs"),
        (Evaluator(CONV, X), {"x": X}, "an evaluator has its own data"),
    ],
)
def test_what_contradicts_itself_is_one_sentence(mg: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        cost.report(mg, models=("macs",), **arguments)
    assert "\n" not in str(error.value)


def test_figures_of_parameters_need_no_shapes() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Conv2d(1, 2, 3), nn.LSTM(3, 4))
    found = cost.report(model, models=("parameters", "model_size", "average_bitwidth"))
    numbers = 18 + 2 + 4 * 4 * (3 + 4 + 2)
    assert found.totals() == {"parameters": numbers, "model_size": 4 * numbers, "average_bitwidth": 32}
    assert found.inputs == "" and not found.left_out


def test_a_list_of_shapes_and_no_shape_at_all_are_told_what_to_give() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3))
    with pytest.raises(
        ConfigError, match=r"one shape without the batch, such as \(1, 8, 8\), got \[\(1, 8, 8\)\]"
    ):
        cost.report(model, input_shapes=[(1, 8, 8)])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"^no layer tells the shape .* input_shapes="):
        cost.report(model)
    assert (
        cost.report(model, input_shapes=(1, 8, 8))["macs"].total
        == cost.report(model, torch.zeros(1, 1, 8, 8))["macs"].total
    )
