"""A number in the source (the 0.3 of ``x * 0.3``) as operand of a quantized add, sub or mul."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import chop
from chop.nn.quantizers import integer_quantizer

MODES = [
    {},
    {"data_in_rounding": "floor"},
    {"data_in_rounding": "half_up", "data_in_overflow": "wrap"},
]
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "right": lambda x, s: x * s + s - s,
    "left": lambda x, s: s - (s + x) * s,
    "functions": lambda x, s: torch.sub(torch.mul(torch.add(x, s), other=s), s),
    "methods": lambda x, s: x.add(s).mul(other=s).sub(s),
    "in place": lambda x, s: operator.isub(operator.imul(operator.iadd(x * 1, s), s), s),
    "alpha": lambda x, s: torch.sub(torch.add(x, s, alpha=0.5), s, alpha=2),
}


class Net(nn.Module):
    def __init__(self, call: Callable[[Any, Any], Any], number: float) -> None:
        super().__init__()
        self.call, self.number = call, number

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x, self.number)


def config(mode: dict[str, str]) -> dict[str, Any]:
    integer = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, **mode}
    integer |= {"weight_width": 8, "weight_frac_width": 4}
    return {"by": "type", "default": {"config": integer}}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("number", [0.3, -0.7, 100.3, 3, 0.09375 + 1e-12, -0.0])
def test_evaluator_computes_with_the_number_as_the_pass_does(name: str, number: float) -> None:
    x = torch.randn(70, 6, generator=torch.Generator().manual_seed(0)) * 3
    model = Net(CALLS[name], number)
    evaluator, graph = chop.Evaluator(model, x), chop.MaseGraph(model)
    for mode in MODES:
        graph, _ = chop.passes.quantize_transform_pass(graph, config(mode))
        assert torch.equal(evaluator.forward(config(mode)), graph.model(x))


@pytest.mark.parametrize("number", [0.3, 100.3, 3])
def test_number_lies_on_the_grid_unless_it_is_whole(number: float) -> None:
    x = torch.linspace(-2, 2, 12).reshape(4, 3)
    on_grid = number if isinstance(number, int) else integer_quantizer(torch.tensor(number).double(), 8, 4)
    evaluator = chop.Evaluator(Net(operator.mul, number), x)
    assert torch.equal(evaluator.forward(config({})), integer_quantizer(x, 8, 4) * on_grid)
    assert torch.equal(evaluator.forward(), x * number)
