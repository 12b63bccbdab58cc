"""The three counts of effective bit operations: against whole numbers, and against what HGQ2 itself has counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chop.cost import Costs
from tests.evaluator.models import by_type, integer

RECORDED = json.loads((Path(__file__).parent / "hgq2_ebops.json").read_text())
LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (lambda: nn.Linear(7, 5), (7,)),
    "conv1d": (lambda: nn.Conv1d(2, 4, 3), (2, 9)),
    "conv1d_same": (lambda: nn.Conv1d(2, 4, 3, padding="same"), (2, 9)),
}


@pytest.mark.parametrize(
    "row", RECORDED["rows"], ids=lambda row: f"{row['kind']}-{row['mode']}-{row['weight'][0]}"
)
def test_the_count_of_hgq2(row: dict[str, Any]) -> None:
    make, shape = LAYERS[row["kind"]]
    config: dict[str, Any] = {"name": "integer"}
    for operand in ("data_in", "weight", "bias"):
        config[f"{operand}_width"], config[f"{operand}_frac_width"] = row[operand]
        # HGQ2 counts the sign where a format saturates at both ends alone.
        config[f"{operand}_overflow"] = "saturate" if row["mode"] == "SAT" else "wrap"
    costs = Costs(nn.Sequential(make()), 1, ("ebops_hgq2",), shape)
    rule = by_type(**{"linear" if row["kind"] == "dense" else "conv1d": config})
    rows = 4  # of the recorded call; HGQ2 counts one
    assert costs.evaluate(rule) == {"ebops_hgq2": row["ebops"]}
    assert (
        Costs(nn.Sequential(make()), rows, ("ebops_hgq2",), shape).evaluate(rule)["ebops_hgq2"]
        == rows * row["ebops"]
    )


def span(code: int) -> int:
    return len(bin(abs(code))[2:].strip("0"))


@pytest.mark.parametrize("frac", [0, 2, 5])
@pytest.mark.parametrize("width", [1, 2, 5, 8])
def test_the_count_of_the_paper(width: int, frac: int) -> None:
    torch.manual_seed(width + frac)
    layer = nn.Conv2d(2, 3, (2, 3), padding=1)
    codes = np.clip(
        np.rint(layer.weight.detach().double().numpy() * 2.0**frac), -(2 ** (width - 1)), 2 ** (width - 1) - 1
    )
    spans = sum(span(int(code)) for code in codes.ravel())
    costs = Costs(nn.Sequential(layer), 2, ("ebops", "ebops_hgq"), (2, 4, 5))
    found = costs.evaluate(by_type(conv2d=integer(6, 3, width, frac, width, frac)))
    positions = 2 * 5 * 5  # each weight is used at every place of the output
    assert found == {"ebops": positions * spans * 6, "ebops_hgq": positions * spans * 5}


def test_products_of_activations_have_no_constants() -> None:
    class Product(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ x.transpose(1, 2)

    costs = Costs(Product(), 1, ("ebops", "ebops_hgq", "ebops_hgq2"), (3, 4))
    found = costs.evaluate(by_type(matmul=integer(6, 3, 4, 2, 4, 2)))
    assert found == {"ebops": 36 * 24, "ebops_hgq": 36 * 15, "ebops_hgq2": 36 * 24}
    assert set(costs.evaluate().values()) == {36 * 1024}
