"""The clipped straight-through gradient, against torch's own fake quantization, in layers and in training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from chop import MaseGraph
from chop.nn.quantized.functional import add_integer
from chop.nn.quantizers import integer_quantizer, straight_through
from chop.passes import quantize_transform_pass
from chop.tools.errors import ConfigError
from tests.training.conftest import ENGINES, toy


def config(width: int, frac: int) -> dict[str, Any]:
    fields = {
        "data_in_width": width,
        "data_in_frac_width": frac,
        "weight_width": width,
        "weight_frac_width": frac,
    }
    layer = {"name": "integer", **fields}
    return {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": layer}}


def quantized(width: int, frac: int, model: nn.Module | None = None) -> nn.Module:
    graph, _ = quantize_transform_pass(MaseGraph(model or toy()), config(width, frac))
    return graph.model.train()


@given(
    width=st.integers(2, 12),
    frac=st.integers(-2, 12),
    signed=st.booleans(),
    values=st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=30),
)
def test_gradients_are_those_of_torchs_fake_quantize(
    width: int, frac: int, signed: bool, values: list[float]
) -> None:
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    ours, theirs = (torch.tensor(values, requires_grad=True) for _ in range(2))
    weights = torch.arange(1.0, len(values) + 1)
    with straight_through("clipped"):
        y = integer_quantizer(ours, width, frac, signed)
    expected = torch.fake_quantize_per_tensor_affine(theirs, 2.0**-frac, 0, low, high)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(y.detach().abs(), expected.detach().abs())  # torch has no -0.0 here
    assert torch.equal(ours.grad, theirs.grad)


def test_forward_is_the_same_and_the_block_ends() -> None:
    x = torch.randn(100, requires_grad=True) * 20
    plain = integer_quantizer(x, 6, 2)
    with straight_through("clipped"):
        clipped = integer_quantizer(x, 6, 2)
        with straight_through("plain"):
            assert torch.autograd.grad(integer_quantizer(x, 6, 2).sum(), x)[0].eq(1).all()
        assert not torch.autograd.grad(clipped.sum(), x)[0].eq(1).all()
    assert torch.equal(plain, clipped)
    assert torch.autograd.grad(integer_quantizer(x, 6, 2).sum(), x)[0].eq(1).all()
    with pytest.raises(ConfigError, match="did you mean 'clipped'"), straight_through("cliped"):
        pass


@pytest.mark.parametrize("rounding", ["half_even", "floor", "half_up"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_every_mode_clips_where_the_code_leaves_the_range(rounding: str, overflow: str) -> None:
    x = torch.tensor([-2.01, -2.0, -1.9, 1.75, 1.8749, 1.8751, 1.99, 2.0], requires_grad=True)  # -2 .. 1.75
    with straight_through("clipped"):
        integer_quantizer(x, 4, 2, True, rounding, overflow).sum().backward()
    upper = {"half_even": 1.875, "half_up": 1.875, "floor": 2.0}[rounding]
    lower = {"half_even": -2.125, "half_up": -2.125, "floor": -2.0}[rounding]
    assert x.grad.tolist() == [float(lower <= v < upper) for v in x.tolist()]


def test_whole_layers_and_functions_follow() -> None:
    model, x = quantized(4, 3), torch.randn(64, 16)
    layer = next(m for m in model.modules() if type(m).__name__ == "LinearInteger")
    with torch.no_grad():
        layer.weight[0, 0] = 3.0  # far out of the range
    for kind, value in (("plain", False), ("clipped", True)):
        model.zero_grad()
        with straight_through(kind):
            nn.functional.cross_entropy(model(x), torch.zeros(64, dtype=torch.long)).backward()
        assert (layer.weight.grad[0, 0] == 0).item() is value
    a = torch.tensor([0.5, 9.0], requires_grad=True)
    with straight_through("clipped"):
        add_integer(
            a, a.detach(), {"name": "integer", "data_in_width": 4, "data_in_frac_width": 2}
        ).sum().backward()
    assert a.grad.tolist() == [1.0, 0.0]


def test_engines_agree(run: Any) -> None:
    states: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for kind in ("plain", "clipped"):
        for engine in ENGINES:
            options = {"engine": engine, "straight_through": kind, "args": {"max_epochs": 1, "max_steps": 1}}
            sgd = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 1.0}
            model, _ = run(quantized(4, 4, toy(name="jsc-mlp")), **options, **sgd)
            states[kind, engine] = model.state_dict()
    changes = {}
    for name, tensor in states["plain", "native"].items():
        torch.testing.assert_close(tensor, states["plain", "lightning"][name], rtol=1e-4, atol=1e-6)
        clipped = states["clipped", "native"][name]
        torch.testing.assert_close(clipped, states["clipped", "lightning"][name], rtol=1e-4, atol=1e-6)
        changes[name] = (clipped - tensor).abs().max().item()
    # What leaves the range in between makes the gradients of the layers before it other ones.
    assert max(changes.values()) > 1e-3, changes


def test_the_kind_changes_what_is_learned(run: Any) -> None:
    losses = {run(quantized(3, 2), engine="native", straight_through=k)[1]["train_loss_epoch"]
              for k in ("plain", "clipped")}  # fmt: skip
    assert len(losses) == 2
