"""Quantization-aware training in the core with number formats other than fixed point, against torch's autograd."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop import _core
from chop.nn.quantized.modules import quantized_module_map
from chop.nn.quantizers import QUANTIZERS
from chop.training import NativeTrainer
from chop.training.engines import ENGINES
from tests.evaluator.number_formats import FORMATS, fields

ROWS = 200


def network(config: dict[str, Any], dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(1)
    name = config["name"]
    linear, relu = quantized_module_map[f"linear_{name}"], quantized_module_map[f"relu_{name}"]
    return nn.Sequential(
        nn.BatchNorm1d(16),
        linear(16, 40, config=config),
        relu(config=config),
        linear(40, 8, config=config),
        nn.Tanh(),
        linear(8, 5, config=config | {"bypass": True}),
    ).to(dtype)


def data(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    return 2 * torch.randn(ROWS, 16, dtype=dtype), torch.randint(0, 5, (ROWS,))


def without_ties(config: dict[str, Any], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Leave out rows with a number midway between two codes of its row's scale: there the last bit of a sum decides.

    Half of a row's largest number is one, and sums of codes are that often.
    """
    levels = 2 ** (config["data_in_width"] - 1) - 1
    while True:
        model, found = network(config), torch.zeros(len(x), dtype=torch.bool)

        def look(_: nn.Module, inputs: tuple[Tensor], found: Tensor = found) -> None:
            codes = levels * inputs[0] / inputs[0].abs().amax(1, keepdim=True)
            found |= ((codes - codes.floor() - 0.5).abs() < 1e-9).any(1)

        for layer in model:
            if not isinstance(layer, (nn.BatchNorm1d, nn.Tanh)):
                layer.register_forward_pre_hook(look)
        for training in (True, False):
            model.train(training)(x)
        if not found.any():
            return x, y
        x, y = x[~found], y[~found]


def test_all_formats_are_here() -> None:
    assert set(_core.value_formats()) & set(QUANTIZERS) == {config["name"] for config in FORMATS.values()}


@pytest.mark.parametrize("name", FORMATS)
def test_gradients_equal_those_of_the_modules(name: str) -> None:
    model, (x, y) = network(FORMATS[name]).train(), data()
    if name == "scale_integer":
        x, y = without_ties(FORMATS[name], x, y)
        assert len(x) > ROWS // 4
    trainer = NativeTrainer(model, x, y, dtype="float64")
    epoch = trainer.epoch(len(x), 0.0)
    reference = copy.deepcopy(model)
    loss = F.cross_entropy(reference(x), y)
    loss.backward()
    assert epoch.loss == pytest.approx(loss.item(), rel=1e-11)
    for parameter_name, parameter in reference.named_parameters():
        scale = parameter.grad.norm() + 1e-6
        found = trainer.gradients()[parameter_name]
        assert (found - parameter.grad).norm() <= 1e-9 * scale, parameter_name
    scores = trainer.evaluate(x, y)
    reference.load_state_dict(trainer.state_dict())
    assert scores.loss == pytest.approx(F.cross_entropy(reference.eval()(x), y).item(), rel=1e-11)


@pytest.mark.parametrize("name", ["minifloat_ieee", "block_fp", "mxfp4", "ternary", "log"])
def test_training_lowers_the_loss(name: str) -> None:
    model = network(FORMATS[name], torch.float32)
    x = torch.randn(2000, 16)
    y = (x @ torch.randn(16, 5)).argmax(1)
    trainer = NativeTrainer(model, x, y)
    before = trainer.evaluate(x, y).loss
    for _ in range(8):
        trainer.epoch(50, 3e-3)
    after = trainer.evaluate(x, y).loss
    trainer.write_back(model)
    assert after < 0.9 * before
    assert after == pytest.approx(F.cross_entropy(model.eval()(x), y).item(), rel=1e-3)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_bit(threads: int) -> None:
    x, y = data(torch.float32)
    states = []
    for count in (1, threads):
        trainer = NativeTrainer(network(FORMATS["block_minifloat"], torch.float32), x, y, threads=count)
        trainer.epoch(64, 1e-2)
        states.append(trainer.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


RESIDUAL = {
    "name": "binary_residual",
    "binary_training": True,
    "data_in_width": 1,
    "data_in_stochastic": False,
    "data_in_bipolar": True,
    "data_in_levels": 2,
    "data_in_residual_sign": True,
    "weight_width": 1,
    "weight_stochastic": False,
    "weight_bipolar": True,
}
SHARED = fields("block_fp", width=5, exponent_width=8, exponent_bias=None, block_size=[4])
SHARED |= {"data_in_skip_first_dim": False}
CHANCE = fields("binary", width=1, stochastic=True, bipolar=True)


@pytest.mark.parametrize(
    ("config", "why"),
    [(SHARED, "numbers of several rows"), (RESIDUAL, "no native twin"), (CHANCE, "by chance")],
)
def test_what_the_core_does_not_train_names_the_engine_that_does(config: dict[str, Any], why: str) -> None:
    model = nn.Sequential(quantized_module_map[f"linear_{config['name']}"](16, 5, config=config))
    told = NativeTrainer.why_not(model) or ""
    assert why in told and "engine 'lightning' trains it" in told
    assert "lightning" in ENGINES


def test_a_scale_of_its_own_is_not_left_out() -> None:
    from chop.nn.quantized.modules.binary import LinearBinaryScaling

    model = nn.Sequential(LinearBinaryScaling(16, 5, config=FORMATS["binary"]))
    assert "gamma" in (NativeTrainer.why_not(model) or "")


def test_clipped_gradients_are_those_of_fixed_point() -> None:
    x, y = data()
    with pytest.raises(ValueError, match="straight_through='clipped' needs fixed-point formats"):
        NativeTrainer(network(FORMATS["minifloat_ieee"]), x, y, dtype="float64", straight_through="clipped")
