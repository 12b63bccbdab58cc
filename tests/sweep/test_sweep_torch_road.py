"""Sweeps of models and quantizers that the core sends to torch, and of modules that are called twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from chop import Evaluator
from chop.nn.quantizers import QUANTIZERS
from chop.search import sweep
from tests.evaluator.models import data
from tests.evaluator.test_torch_quantizers import Downward
from tests.evaluator.torch_models import CLASSES, FEATURES, MODELS, model_of
from tests.sweep.spaces import choices, table

FOLDED = model_of("Folded", lambda self, x: torch.erf(x) + (self.scale * self.scale + self.scale))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.last = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.first(torch.relu(self.first(x)))))


@pytest.fixture
def downward() -> Iterator[None]:
    QUANTIZERS["downward"] = Downward()
    yield
    del QUANTIZERS["downward"]


def same_as_single_evaluations(model: nn.Module, space: dict[str, Any]) -> int:
    ev = Evaluator(model, *data(200, FEATURES, CLASSES))
    objectives = {"accuracy": "maximize", "output_mse": "minimize"}
    found = sweep(ev, space, objectives, threads=2)
    for row, number in enumerate(found.results["configuration"].tolist()):
        one = ev.evaluate(found.config(number), metrics=list(objectives))
        for name in objectives:
            assert found.results[name][row] == one[name], (number, name)
    return found.configurations


@pytest.mark.parametrize("name", ["own", "lstm", "residual", "einsum", "mask"])
def test_models_with_torch_nodes(name: str) -> None:
    assert same_as_single_evaluations(MODELS[name], table(linear=choices(weight_width=[3, 8]))) == 4


def test_nodes_that_one_call_computes() -> None:
    operand = {"name": ["integer"], "data_in_width": [8], "data_in_frac_width": [4]}
    both = {**operand, "data_in_width": [3, 8], "weight_width": [8, 4], "weight_frac_width": [3]}
    space = table(add=both, mul=both, linear=choices(), relu=operand)
    assert same_as_single_evaluations(FOLDED, space) >= 16


def test_a_quantizer_of_ones_own(downward: None) -> None:
    space = table(linear=choices(name=["integer", "downward", "NA"], weight_width=[3, 8]))
    assert same_as_single_evaluations(MODELS["sum"], space) == 36


def test_a_module_that_is_called_twice() -> None:
    assert same_as_single_evaluations(Twice(), table(linear=choices(weight_width=[3, 5, 8]))) == 9
