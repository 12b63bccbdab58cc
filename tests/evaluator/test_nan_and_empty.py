"""NaN and infinities in data, weights and statistics, and inputs of no size."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop import Evaluator, MaseGraph
from chop.passes.graph import quantize_transform_pass

from .models import by_type, chain, data, integer

NAN, INF = float("nan"), float("inf")
CONFIGS = {
    "int8": by_type(linear=integer(8, 4)),
    "relu too": by_type(linear=integer(8, 4), relu=integer(6, 3)),
    "int16": by_type(linear=integer(12, 5)),
    "one": {"by": "name", "default": {"config": {"name": None}}, "_5": {"config": integer(8, 4)}},
}


def by_torch(model: nn.Module, config: dict, x: torch.Tensor) -> torch.Tensor:
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    with torch.no_grad():
        return graph.model.eval()(x)


def same(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool((found.eq(expected) | (found.isnan() & expected.isnan())).all())


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("odd", [NAN, INF, -INF])
def test_odd_data_stays_in_its_row(name: str, odd: float) -> None:
    model, (x, y) = chain((6, 8, 7, 4)), data(200, 6, 4)
    plain = Evaluator(model, x, y).forward(CONFIGS[name])
    x[7, 3] = x[130, 0] = odd
    found = Evaluator(model, x, y).forward(CONFIGS[name])
    if name == "one":  # a float layer in front
        assert torch.equal(found.isnan(), by_torch(model, CONFIGS[name], x).isnan())
    else:
        assert same(found, by_torch(model, CONFIGS[name], x))
    others = [row for row in range(200) if row not in (7, 130)]
    assert torch.equal(found[others], plain[others])


@pytest.mark.parametrize(("where", "odd"), list(product(["weight", "bias"], [NAN, INF, -INF])))
def test_odd_weights(where: str, odd: float) -> None:
    model, (x, y) = chain((6, 8, 7, 4)), data(70, 6, 4)
    with torch.no_grad():
        getattr(model[5], where).view(-1)[3] = odd
    for name in ("int8", "relu too", "int16"):
        assert same(Evaluator(model, x, y).forward(CONFIGS[name]), by_torch(model, CONFIGS[name], x)), name
    with torch.no_grad():
        floats = model(x)
    assert torch.equal(Evaluator(model, x, y).forward().isnan(), floats.isnan())


@pytest.mark.parametrize(
    ("where", "odd"), list(product(["weight", "bias", "running_mean", "running_var"], [NAN, INF, -1.0, 0.0]))
)
def test_odd_batch_norm(where: str, odd: float) -> None:
    model, (x, y) = chain((6, 8, 7, 4)), data(70, 6, 4)
    with torch.no_grad():
        getattr(model[3], where)[2] = odd
    for name in ("int8", "relu too", "int16"):
        assert same(Evaluator(model, x, y).forward(CONFIGS[name]), by_torch(model, CONFIGS[name], x)), name


def test_metrics_of_rows_with_nan() -> None:
    x = torch.tensor([[0.0, NAN, 5.0], [1.0, 2.0, 0.0], [NAN, NAN, 1.0]])
    y = torch.tensor([1, 1, 1])
    found = Evaluator(nn.Sequential(nn.ReLU()), x, y).evaluate()
    assert found.correct == int((x.argmax(1) == y).sum()) == 2
    assert found.loss is not None and math.isnan(found.loss)
    assert math.isnan(F.cross_entropy(x, y).item())


def test_infinite_logits() -> None:
    for x in ([[INF, 0.0]], [[-INF, 0.0]], [[-INF, -INF]]):
        rows = torch.tensor(x)
        expected = F.cross_entropy(rows, torch.tensor([1])).item()
        found = Evaluator(nn.Sequential(nn.Identity()), rows, torch.tensor([1])).evaluate().loss
        assert found == expected or (math.isnan(found) and math.isnan(expected)), x


@pytest.mark.parametrize(
    ("features", "shape", "message"),
    [
        (4, (0, 4), "x has no rows"),
        (4, (3, 0), "linear takes 4 features"),
        (0, (3, 0), "node input_1 has the shape .x0; 1 to 16777216 numbers a row can be run"),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_empty_inputs_are_refused(features: int, shape: tuple[int, int], message: str) -> None:
    model, y = nn.Sequential(nn.Linear(features, 2)), torch.zeros(shape[0], dtype=torch.int64)
    with pytest.raises(ValueError, match=message):
        Evaluator(model, torch.zeros(shape), y)
