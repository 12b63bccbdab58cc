"""Training with formats of single channels, features and weights in the core, against torch's quantized modules."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.modules import LinearInteger, ReLUInteger
from chop.nn.quantizers import straight_through
from chop.nn.quantizers.format import OVERFLOW_MODES, ROUNDING_MODES
from chop.training import NativeTrainer


def formats(random: np.random.Generator, operand: str, shape: Any) -> dict[str, Any]:
    widths = random.integers(2, 7, shape)
    widths[random.random(shape) < 0.2] = 0
    return {
        f"{operand}_width": widths,
        f"{operand}_frac_width": random.integers(0, 5, shape),
        f"{operand}_rounding": str(random.choice(ROUNDING_MODES)),
        f"{operand}_overflow": str(random.choice(OVERFLOW_MODES)),
    }


def layer(random: np.random.Generator, inputs: int, outputs: int) -> nn.Module:
    weight = (outputs, inputs) if random.integers(2) else (outputs,)
    sizes = {"data_in": inputs, "weight": weight, "bias": outputs}
    table = {"name": "integer"}
    for operand, shape in sizes.items():
        table |= formats(random, operand, shape)
    return LinearInteger(inputs, outputs, config=table)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    return nn.Sequential(
        nn.BatchNorm1d(9),
        ReLUInteger(config={"name": "integer", **formats(random, "data_in", 9)}),
        layer(random, 9, 8),
        nn.BatchNorm1d(8),
        ReLUInteger(config={"name": "integer", **formats(random, "data_in", 8)}),
        layer(random, 8, 6),
        layer(random, 6, 5),
    ).double()


def data(rows: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rows)
    return 2 * torch.randn(rows, 9, dtype=torch.float64), torch.randint(0, 5, (rows,))


@pytest.mark.parametrize("kind", ["plain", "clipped"])
@pytest.mark.parametrize("rows", [40, 300])
def test_gradients_equal_the_modules(rows: int, kind: str) -> None:
    for seed in range(8):
        model, (x, y) = network(seed).train(), data(rows)
        trainer = NativeTrainer(model, x, y, dtype="float64", straight_through=kind)
        epoch = trainer.epoch(rows, 0.0)
        reference = copy.deepcopy(model)
        with straight_through(kind):
            loss = F.cross_entropy(reference(x), y)
            loss.backward()
        assert epoch.loss == pytest.approx(loss.item(), rel=1e-11)
        for name, parameter in reference.named_parameters():
            scale = parameter.grad.norm() + 1e-6
            assert (trainer.gradients()[name] - parameter.grad).norm() <= 1e-9 * scale, (seed, name)
        scores = trainer.evaluate(x, y)
        reference.load_state_dict(trainer.state_dict())
        assert scores.loss == pytest.approx(F.cross_entropy(reference.eval()(x), y).item(), rel=1e-11)


def test_pruned_weights_stay_and_the_others_learn() -> None:
    model, (x, y) = network(3), data(200)
    before = copy.deepcopy(model.state_dict())
    trainer = NativeTrainer(model, x, y, dtype="float64")
    for _ in range(5):
        trainer.epoch(50, 1e-2)
    weight = model[2]
    widths = np.asarray(weight.config["weight_width"])
    pruned = torch.from_numpy(np.broadcast_to(widths.reshape(8, -1) == 0, (8, 9)).copy())
    moved = trainer.state_dict()["2.weight"] != before["2.weight"]
    assert pruned.any() and not moved[pruned].any() and moved[~pruned].any()


def test_lists_of_one_number_train_as_the_number() -> None:
    fixed = {
        "name": "integer",
        "data_in_width": 6,
        "data_in_frac_width": 3,
        "weight_width": 4,
        "weight_frac_width": 3,
    }
    listed = {
        **fixed,
        "data_in_width": [6] * 9,
        "weight_width": [[4] * 9] * 5,
        "bias_width": 4,
        "bias_frac_width": 3,
    }
    x, y = data(300)
    states = []
    for table in (fixed, listed):
        torch.manual_seed(0)
        trainer = NativeTrainer(nn.Sequential(LinearInteger(9, 5, config=table)), x.float(), y)
        for _ in range(3):
            trainer.epoch(64, 1e-2)
        states.append(trainer.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
