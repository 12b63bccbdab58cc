"""A NaN or an infinity stays where it is: no other output of operator, evaluator or statistic changes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from chop import Evaluator, _core

BAD = (math.nan, math.inf, -math.inf)
FORMATS = (8, 4, 6, 3, 8, 4)


def same(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Which numbers have the same bits, NaN included."""
    return (a.view(torch.int32) == b.view(torch.int32)) | (a.isnan() & b.isnan())


@pytest.mark.parametrize("bad", BAD)
def test_quantizers_and_layers(bad: float) -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    for case in range(120):
        rows, features, outputs = (int(torch.randint(1, 70, (), generator=generator)) for _ in range(3))
        x = normal(rows, features)
        row, column = case % rows, case % features
        touched = x.clone()
        touched[row, column] = bad
        modes = (case % 3, case % 2)
        kept = same(*(torch.ops.chop.integer_quantize(t, 8, 4, True, *modes) for t in (x, touched)))
        assert kept.flatten().sum() >= rows * features - 1 and kept[torch.arange(rows) != row].all()
        weight, bias = normal(outputs, features), normal(outputs)
        kept = same(*(torch.ops.chop.linear_integer(t, weight, bias, *FORMATS) for t in (x, touched)))
        assert kept[torch.arange(rows) != row].all()
        length = 3 + case % 9
        x = normal(2, 4, length)
        touched = x.clone()
        touched[1, case % 4, case % length] = bad
        weight = normal(6, 2, 3)
        args = (None, 1, 1, 1, 2, *FORMATS)
        kept = same(*(torch.ops.chop.conv1d_integer(t, weight, *args) for t in (x, touched)))
        near = (torch.arange(length) - case % length).abs() <= 1
        assert kept[0].all() and kept[1][:, ~near].all()
        group = torch.arange(6) // 3 == case % 4 // 2
        assert kept[1][~group].all()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_rows_of_the_evaluator(bad: float, threads: int) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Sigmoid(), nn.Linear(7, 3), nn.Softmax(1)
    ).eval()
    grid = {
        "name": "integer",
        **{f"{o}_{k}": 6 for o in ("data_in", "weight", "bias") for k in ("width", "frac_width")},
    }
    config = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": grid}}
    x = torch.randn(300, 6)
    plain = [Evaluator(model, x, threads=threads).forward(c) for c in (None, config)]
    for row in (0, 63, 64, 299):
        touched = x.clone()
        touched[row, row % 6] = bad
        for before, c in zip(plain, (None, config), strict=True):
            kept = same(before, Evaluator(model, touched, threads=threads).forward(c))
            assert kept[torch.arange(300) != row].all()


@pytest.mark.parametrize("name", sorted(set(_core.statistics()) - {"record"}))
def test_channels_of_a_statistic(name: str) -> None:
    torch.manual_seed(2)
    x = torch.randn(90, 5)
    for bad in BAD:
        found = []
        for value in (0.5, bad):
            touched = x.clone()
            touched[33, 2] = value
            statistic = _core.Statistic(name, {})
            statistic.update(touched, 5)
            fields, counts, *_ = statistic.compute()
            named = [torch.frombuffer(data, dtype=torch.float64).view(5, -1) for _, data, *_ in fields]
            found.append([*named, torch.frombuffer(counts, dtype=torch.int64).view(5, 1)])
        for before, after in zip(*found, strict=True):
            assert torch.equal(before[[0, 1, 3, 4]], after[[0, 1, 3, 4]])
