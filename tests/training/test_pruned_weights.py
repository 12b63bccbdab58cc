"""Pruned weights cost no time, and leaving them out changes no bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from chop.nn.quantized.modules import LinearInteger
from chop.training import LayerWidths, NativeTrainer
from tests.training.test_trained_widths import WIDE

SHARED = {"weight": "element", "data_in": "element"}


def rows(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(count, 16), torch.randint(0, 5, (count,))


def trainer(dtype: str, x: Tensor, y: Tensor, skips: bool) -> NativeTrainer:
    torch.manual_seed(0)
    layers = LinearInteger(16, 37, config=WIDE), nn.ReLU(), LinearInteger(37, 20, config=WIDE)
    model = nn.Sequential(*layers, nn.ReLU(), LinearInteger(20, 5, config=WIDE))
    made = NativeTrainer(
        model, x, y, learned_widths=SHARED, dtype=dtype, straight_through="clipped", threads=1 + skips
    )
    widths = {}
    for name, of in made.widths.read().items():
        fractions = torch.empty_like(of.weight_fractions).uniform_(0.6, 4.4)
        fractions[
            torch.rand_like(fractions) < 0.7
        ] = -4.0  # pruned, as is every third feature but of the first layer
        some = torch.arange(of.input_fractions.numel()) % 3 == 1
        bits = torch.where(some & (name != next(iter(made.widths.read()))), -3.0, 3.0).to(fractions)
        widths[name] = LayerWidths(bits, torch.ones_like(bits), fractions)
    made.widths.write(widths)
    made.widths.learn(0.01, 1e-5)
    made._core.skips_zeros = skips
    return made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [37, 128, 1000])
def test_leaving_out_pruned_weights_changes_no_bit(dtype: str, batch: int) -> None:
    x, y = rows(3000)
    fast, slow = trainer(dtype, x, y, True), trainer(dtype, x, y, False)
    assert fast._core.skips_zeros and not slow._core.skips_zeros
    for each in (fast, slow):
        for _ in range(3):
            each.epoch(batch, 0.01)
    one, other = fast.snapshot(), slow.snapshot()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert fast.evaluate(x, y).loss == slow.evaluate(x, y).loss
    weights = fast.state_dict()
    zeros = [
        float((of.codes(weights[f"{name.removeprefix('_')}.weight"]) == 0).double().mean())
        for name, of in fast.widths.read().items()
    ]
    assert all(0.2 < share < 1 for share in zeros), zeros


@pytest.mark.parametrize("skips", [True, False])
def test_a_pruned_weight_hides_no_input_that_is_no_number(skips: bool) -> None:
    x, y = rows(64)
    x[5, 3] = float("nan")
    made = trainer("float32", x, y, skips)
    found = {
        name: LayerWidths(of.input_fractions, of.input_integers, torch.full_like(of.weight_fractions, -20.0))
        for name, of in made.widths.read().items()
    }
    made.widths.write(found)
    assert torch.isnan(torch.tensor(made.evaluate(x, y).loss))


def test_subnormal_moments_are_zero() -> None:
    x, y = rows(64)
    made = NativeTrainer(nn.Linear(16, 5), 0 * x, y)  # so that the weight's gradient is zero
    least = torch.finfo(torch.float32).tiny
    state = made.snapshot()
    state["first"] = torch.full_like(state["first"], 1.05 * least)
    state["second"] = torch.full_like(state["second"], 1.0005 * least)
    made.restore(state)
    made.epoch(64, 1e-3)
    found = made.snapshot()
    assert (found["first"][:80] == 0).all() and (found["second"][:80] == 0).all()
    assert torch.equal(found["parameters"][:80], state["parameters"][:80])
    assert (found["first"][80:] != 0).all() and (found["parameters"][80:] != state["parameters"][80:]).all()
