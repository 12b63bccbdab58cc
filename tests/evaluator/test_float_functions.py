"""Functions of single numbers and softmax: within one ulp of the right float, and torch's NaN and infinities."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from .single_ops import Function, core_output, exact, module, numbers, ulps

SAMPLES = st.sampled_from([1, 2, 63, 64, 65, 130])

# What the function is in float64, where torch's own float64 loses digits.
FUNCTIONS: dict[str, tuple[nn.Module, Any]] = {
    "sigmoid": (nn.Sigmoid(), None),
    "tanh": (nn.Tanh(), None),
    "gelu": (nn.GELU(), lambda x: 0.5 * x * torch.special.erfc(-x / math.sqrt(2))),
    "gelu_tanh": (
        nn.GELU("tanh"),
        lambda x: x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
    ),
    "silu": (nn.SiLU(), None),
    "mish": (nn.Mish(), None),
    "logsigmoid": (nn.LogSigmoid(), None),
    "softplus": (nn.Softplus(), None),
    "softplus scaled": (nn.Softplus(2.5, 3.0), None),
    "elu": (nn.ELU(0.7), None),
    "celu": (nn.CELU(1.3), None),
    "selu": (nn.SELU(), None),
    "exp": (Function(torch.exp), None),
    "log": (Function(torch.log), None),
    "sqrt": (Function(torch.sqrt), None),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_within_one_ulp(name: str) -> None:
    layer, wanted = FUNCTIONS[name]
    grid = torch.cat(
        [torch.linspace(-30, 30, 60001), torch.logspace(-40, 2, 5001), -torch.logspace(-40, 2, 5001)]
    )
    x = torch.cat([grid, numbers(20000)]).reshape(-1, 1)
    got = core_output(module(layer), x)
    truth = exact(module(layer), x) if wanted is None else wanted(x.double())
    assert ulps(got, truth).max() <= 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_what_is_no_number(name: str) -> None:
    model = module(FUNCTIONS[name][0])
    x = torch.tensor([[0.0, -0.0, math.nan, math.inf, -math.inf]])
    with torch.no_grad():
        expected = model.float()(x)
    got = core_output(model, x)
    if name == "gelu":  # oneDNN makes NaN of inf and loses the sign of zero, torch's own kernel does not
        expected[0, 3], expected[0, 1] = math.inf, -0.0
    assert torch.equal(got.isnan(), expected.isnan())
    assert torch.equal(got.nan_to_num(), expected.nan_to_num())
    assert torch.equal(torch.signbit(got[:, :2]), torch.signbit(expected[:, :2]))


@settings(max_examples=60, deadline=None)
@given(st.data(), SAMPLES, st.booleans())
def test_softmax(data: Any, samples: int, logarithm: bool) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    layer = (nn.LogSoftmax if logarithm else nn.Softmax)(data.draw(st.integers(1, len(shape))))
    x = numbers(
        samples, *shape, seed=data.draw(st.integers(0, 99)), scale=data.draw(st.sampled_from([1.0, 40.0]))
    )
    got, truth = core_output(module(layer), x), exact(module(layer), x)
    if logarithm:
        assert ((got - truth).abs() <= 2**-23 * x.abs().amax() + 2**-24 * truth.abs() + 1e-12).all()
    else:
        assert ulps(got, truth).max() <= 1


def test_softmax_of_what_is_no_number() -> None:
    inf, nan = math.inf, math.nan
    x = torch.tensor(
        [[inf, 1, 2], [-inf, 1, 2], [-inf, -inf, -inf], [nan, 1, 2], [inf, -inf, 0], [1e38, -1e38, 0]]
    )
    for layer in (nn.Softmax(1), nn.LogSoftmax(1)):
        got, expected = core_output(module(layer), x), module(layer)(x)
        assert torch.equal(got.isnan(), expected.isnan())
        assert torch.allclose(got.nan_to_num(), expected.nan_to_num())
