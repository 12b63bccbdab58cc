"""Quantization-aware training in the core against the quantized modules of torch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.functional import (
    add_integer,
    mult_integer,
    quantized_func_map,
    relu_integer,
    sub_integer,
)
from chop.nn.quantized.modules import LinearInteger, ReLUInteger
from chop.nn.quantizers.integer import integer_quantizer
from chop.training import NativeTrainer

LINEAR = {
    "name": "integer",
    "data_in_width": 6,
    "data_in_frac_width": 3,
    "weight_width": 4,
    "weight_frac_width": 4,
    "bias_width": 6,
    "bias_frac_width": 5,
}
CHANCE = {"name": "binary", "data_in_width": 1, "data_in_stochastic": True, "data_in_bipolar": True}
SUM = {"name": "integer", "data_in_width": 5, "data_in_frac_width": 2}
RELU = {"name": "integer", "data_in_width": 4, "data_in_frac_width": 2}


def network(**modes: str) -> nn.Module:
    torch.manual_seed(0)
    config = LINEAR | modes
    return nn.Sequential(
        nn.BatchNorm1d(16),
        ReLUInteger(config=RELU),
        LinearInteger(16, 8, config=config),
        nn.BatchNorm1d(8),
        ReLUInteger(config=RELU),
        LinearInteger(8, 5, config=config | {"bypass": True}),
        nn.Tanh(),
        LinearInteger(5, 5, config=config),
    ).double()


def data(rows: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rows)
    return 2 * torch.randn(rows, 16, dtype=torch.float64), torch.randint(0, 5, (rows,))


def assert_equals_the_modules(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Loss and gradients in train mode, loss in eval mode."""
    trainer = NativeTrainer(model, x, y, dtype="float64")
    epoch = trainer.epoch(len(x), 0.0)
    reference = copy.deepcopy(model)
    loss = F.cross_entropy(reference(x), y)
    loss.backward()
    assert epoch.loss == pytest.approx(loss.item(), rel=1e-11)
    for name, parameter in reference.named_parameters():
        scale = parameter.grad.norm() + 1e-6
        assert (trainer.gradients()[name] - parameter.grad).norm() <= 1e-9 * scale, name
    scores = trainer.evaluate(x, y)
    reference.load_state_dict(trainer.state_dict())
    assert scores.loss == pytest.approx(F.cross_entropy(reference.eval()(x), y).item(), rel=1e-11)


@pytest.mark.parametrize("rows", [40, 300])
@pytest.mark.parametrize("modes", [{}, {"data_in_rounding": "floor", "weight_overflow": "wrap"}])
def test_plain_gradients_equal_the_modules(rows: int, modes: dict[str, str]) -> None:
    model, (x, y) = network(**modes).train(), data(rows)
    assert_equals_the_modules(model, x, y)


def clipped(x: Tensor, width: int, frac: int, signed: bool = True) -> Tensor:
    code = torch.round(x.detach() * 2**frac)
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    inside = (code >= low) & (code <= high)
    kept = torch.where(inside, x, x.detach())  # no gradient from outside
    return kept + (integer_quantizer(x.detach(), width, frac, signed) - kept).detach()


class Clipped(nn.Module):
    """What the core computes with clipped gradients, written out."""

    def __init__(self, model: nn.Sequential) -> None:
        super().__init__()
        self.layers = model

    def forward(self, x: Tensor) -> Tensor:
        """Logits of features."""
        for layer in self.layers:
            if isinstance(layer, ReLUInteger):
                x = F.relu(clipped(x, 4, 2, signed=False))
            elif isinstance(layer, LinearInteger) and not layer.bypass:
                weight, bias = clipped(layer.weight, 4, 4), clipped(layer.bias, 6, 5)
                x = F.linear(clipped(x, 6, 3), weight, bias)
            else:
                x = layer(x)
        return x


def test_clipped_gradients_are_zero_outside_the_range() -> None:
    model, (x, y) = network().train(), data(200)
    with torch.no_grad():
        model[2].weight[0] = 3.0  # beyond its range
    trainer = NativeTrainer(model, x, y, dtype="float64", straight_through="clipped")
    trainer.epoch(200, 0.0)
    plain = NativeTrainer(model, x, y, dtype="float64")
    plain.epoch(200, 0.0)
    reference = copy.deepcopy(model)
    F.cross_entropy(Clipped(reference)(x), y).backward()
    found = trainer.gradients()
    assert not found["2.weight"][0].any() and plain.gradients()["2.weight"][0].any()
    for name, parameter in reference.named_parameters():
        scale = parameter.grad.norm() + 1e-6
        assert (found[name] - parameter.grad).norm() <= 1e-9 * scale, name


def test_training_lowers_the_loss_of_the_quantized_model() -> None:
    torch.manual_seed(0)
    x = torch.randn(4000, 16)
    y = (x @ torch.randn(16, 5)).argmax(1)
    model = network().float()
    trainer = NativeTrainer(model, x, y, straight_through="clipped")
    before = trainer.evaluate(x, y)
    for _ in range(10):
        trainer.epoch(50, 1e-3)
    after = trainer.evaluate(x, y)
    trainer.write_back(model)
    logits = model.eval()(x)
    assert after.loss < 0.8 * before.loss
    assert after.loss == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-4)


class Functions(nn.Module):
    """Quantized sums, differences, products and ReLUs of functions, and what torch computes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = LinearInteger(16, 8, config=LINEAR), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of features."""
        a = relu_integer(self.layer(x), config=RELU)
        b = add_integer(a, torch.tanh(a), config=SUM)
        return self.last(
            sub_integer(mult_integer(b, a, config=SUM), add_integer(b, b, config=SUM), config=SUM)
        )


@pytest.mark.parametrize("rows", [30, 200])
def test_quantized_functions(rows: int) -> None:
    torch.manual_seed(0)
    assert_equals_the_modules(Functions().double().train(), *data(rows))


def test_a_function_that_rounds_by_chance_is_refused() -> None:
    class Chance(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 5)

        def forward(self, x: Tensor) -> Tensor:
            return quantized_func_map["relu_binary"](self.layer(x), config=CHANCE)

    why = NativeTrainer.why_not(Chance())
    assert why is not None and "relu" in why and "by chance" in why
