"""What does not fit the evaluator is refused, and named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph
from chop.passes.graph import quantize_transform_pass
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

from .models import by_type, chain, data, integer

LINEAR, LABELS = nn.Sequential(nn.Linear(4, 2)), torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("model", "x", "y", "message"),
    [
        (
            nn.Sequential(nn.Linear(4, 2)),
            torch.zeros(3, 5),
            torch.zeros(3, dtype=torch.int64),
            "linear takes 4 features",
        ),
        (
            nn.Sequential(nn.Linear(4, 2)),
            torch.zeros(3, 4),
            torch.tensor([0, 2, 1]),
            r"y\[1\] is 2; the model has 2 classes",
        ),
        (LINEAR, torch.zeros(3, 4), torch.tensor([0, -1, 1]), r"y\[1\] is -1"),
        (
            nn.Sequential(nn.Linear(4, 2)),
            torch.zeros(3, 4),
            torch.zeros(2, dtype=torch.int64),
            "one class index for each row",
        ),
        (
            nn.Sequential(nn.Linear(4, 2)),
            torch.zeros(0, 4),
            torch.zeros(0, dtype=torch.int64),
            "x has no rows",
        ),
        (LINEAR, torch.zeros(3, 4), torch.zeros(3), "y must hold class indices"),
        (
            nn.Sequential(nn.Linear(4, 2)),
            torch.zeros(4),
            torch.zeros(4, dtype=torch.int64),
            r"shape \[rows, \.\.\.\]",
        ),
    ],
)
def test_what_does_not_fit_is_named(model: nn.Module, x: torch.Tensor, y: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Evaluator(model, x, y)


@pytest.mark.parametrize("threads", [0, -1, 5000])
def test_threads_out_of_range(threads: int) -> None:
    model, (x, y) = chain((4, 3)), data(10, 4, 3)
    with pytest.raises(ValueError, match=r"threads must be 1\.\.1024"):
        Evaluator(model, x, y, threads=threads)


@pytest.mark.parametrize(
    "config",
    [
        {"by": "typ", "default": {"config": {"name": None}}},
        {"default": {"config": {"name": None}}},
        by_type(linear={**integer(8, 4), "weight_width": 40}),
        by_type(linear={**integer(8, 4), "weight_widht": 4}),
        by_type(linaer=integer(8, 4)),
        by_type(linear={"name": "intger"}),
    ],
)
def test_bad_configs_are_refused_as_the_pass_refuses_them(config: dict) -> None:
    model, (x, y) = chain((4, 3)), data(10, 4, 3)
    with pytest.raises(ValueError) as by_evaluator:
        Evaluator(model, x, y).evaluate(config)
    with pytest.raises(ValueError) as by_pass:
        quantize_transform_pass(MaseGraph(model), config)
    assert str(by_evaluator.value) == str(by_pass.value)
    assert isinstance(by_evaluator.value, ConfigError | UnknownNameError)
