"""Quantized convolutions and pools in the core against the quantized modules of torch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.functional import add_integer
from chop.nn.quantized.modules import LinearInteger, quantized_module_map
from chop.nn.quantized.modules.conv1d import Conv1dInteger
from chop.nn.quantized.modules.conv2d import Conv2dInteger
from chop.nn.quantized.modules.relu import ReLUInteger
from chop.training import NativeTrainer
from tests.evaluator.number_formats import FORMATS
from tests.training.test_native_quantized import LINEAR, RELU, SUM, assert_equals_the_modules


def images(rows: int, *shape: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rows)
    return torch.randn(rows, *shape, dtype=torch.float64), torch.randint(0, 4, (rows,))


class Images(nn.Module):
    """A residual network whose layers and sums are quantized."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = Conv2dInteger(3, 8, 3, padding=1, config=config)
        self.relu, self.norm = ReLUInteger(config=RELU), nn.BatchNorm2d(8)
        self.deep = Conv2dInteger(8, 8, 3, padding=1, groups=8, bias=False, config=config)
        self.wide = Conv2dInteger(8, 8, 1, bias=False, config=config)
        self.pool = nn.MaxPool2d(2)
        self.last = LinearInteger(8, 4, config=config)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        x = self.relu(self.first(x))
        x = add_integer(self.norm(self.wide(self.deep(x))), x, config=SUM)
        return self.last(self.pool(x).mean((2, 3)))


@pytest.mark.parametrize("rows", [6, 50])
@pytest.mark.parametrize("modes", [{}, {"data_in_rounding": "floor", "weight_overflow": "wrap"}])
def test_gradients_equal_the_modules(rows: int, modes: dict[str, str]) -> None:
    assert_equals_the_modules(Images(LINEAR | modes).double().train(), *images(rows, 3, 6, 8))


def test_formats_for_each_channel() -> None:
    config = LINEAR | {
        "data_in_width": [6, 5, 4],
        "data_in_frac_width": [3, 3, 2],
        "weight_width": [4, 5, 6, 4, 3, 4, 4, 4],
    }
    torch.manual_seed(0)
    model = nn.Sequential(Conv2dInteger(3, 8, 3, stride=2, config=config), nn.Flatten(), nn.Linear(48, 4))
    assert_equals_the_modules(model.double().train(), *images(20, 3, 6, 8))


def test_one_dimension() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        Conv1dInteger(3, 6, 5, padding=2, config=LINEAR), nn.ReLU(), nn.AdaptiveMaxPool1d(3)
    )
    model.extend([nn.Flatten(), nn.Linear(18, 4)])
    assert_equals_the_modules(model.double().train(), *images(40, 3, 11))


@pytest.mark.parametrize("name", FORMATS)
def test_number_formats(name: str) -> None:
    config = FORMATS[name]
    torch.manual_seed(1)
    conv, linear = (quantized_module_map[f"{kind}_{config['name']}"] for kind in ("conv2d", "linear"))
    model = nn.Sequential(
        conv(2, 6, 3, padding=1, config=config), nn.ReLU(), nn.Flatten(), linear(6 * 20, 4, config=config)
    )
    model = model.double().train()
    why = NativeTrainer.why_not(model, (2, 4, 5))
    if why is not None:
        assert why.endswith("engine 'lightning' trains it")
    else:
        assert_equals_the_modules(model, *images(30, 2, 4, 5))


def test_clipped_gradients_are_zero_outside_the_range() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Conv2dInteger(1, 3, 3, config=LINEAR), nn.Flatten(), nn.Linear(3 * 16, 4)).double()
    with torch.no_grad():
        model[0].weight[1] = 3.0  # beyond its range
    x, y = images(40, 1, 6, 6)
    found = {}
    for way in ("plain", "clipped"):
        trainer = NativeTrainer(model, x, y, dtype="float64", straight_through=way)
        trainer.epoch(40, 0.0)
        found[way] = trainer.gradients()["0.weight"]
    assert found["plain"][1].any() and not found["clipped"][1].any()
    torch.testing.assert_close(found["plain"][0], found["clipped"][0], rtol=1e-9, atol=1e-12)


def test_training_lowers_the_loss_of_the_quantized_model() -> None:
    x, y = images(400, 3, 6, 8)
    y = (x.mean((2, 3)) @ torch.randn(3, 4, dtype=torch.float64)).argmax(1)
    model = Images(LINEAR).float()
    trainer = NativeTrainer(model, x.float(), y)
    before = trainer.evaluate(x.float(), y)
    for _ in range(8):
        trainer.epoch(32, 3e-3)
    after = trainer.evaluate(x.float(), y)
    trained = copy.deepcopy(model)
    trainer.write_back(trained)
    with torch.no_grad():
        loss = F.cross_entropy(trained.eval()(x.float()), y)
    assert after.loss < 0.8 * before.loss
    assert after.loss == pytest.approx(loss.item(), rel=1e-4)
