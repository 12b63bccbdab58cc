"""Rounding and overflow modes in the evaluator: the logits of the graph that torch computes, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chop import Evaluator
from chop.nn.quantizers import OVERFLOW_MODES, ROUNDING_MODES
from tests.evaluator.models import by_type, chain, data, integer
from tests.evaluator.test_evaluator import quantized_by_torch
from tests.nn.fixed_point_oracle import MODES

SIZES = (16, 12, 5)


def half_steps(tensor: torch.Tensor, frac_width: int) -> torch.Tensor:
    """Near ``tensor``: every second number a tie of a grid."""
    return (tensor * 2.0 ** (frac_width + 1)).round() / 2.0 ** (frac_width + 1)


def layers_with_ties() -> nn.Sequential:
    """Weights and biases that are ties of the formats below, or beyond them."""
    model = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 5)).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.copy_(
                half_steps(torch.randn(tensor.shape, generator=generator), 4 if "bias" in name else 3)
            )
    return model


MODEL, (X, Y) = layers_with_ties(), data(257, 16, 5)
X = half_steps(X * 2, 3)


def in_modes(config: dict[str, Any], **modes: tuple[str, str]) -> dict[str, Any]:
    """The config with rounding and overflow of the operands that are named."""
    return config | {
        f"{operand}_{key}": mode
        for operand, pair in modes.items()
        for key, mode in zip(("rounding", "overflow"), pair, strict=True)
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operand", ["data_in", "weight", "bias", "all"])
def test_logits_equal_the_quantized_graph(mode: tuple[str, str], operand: str) -> None:
    # Narrow ranges, so that all operands overflow.
    operands = ("data_in", "weight", "bias") if operand == "all" else (operand,)
    linear = in_modes(integer(6, 3, 4, 3, 5, 4), **dict.fromkeys(operands, mode))
    config = by_type(
        linear=linear, relu=in_modes(integer(5, 2), data_in=mode) if operand == "all" else integer(5, 2)
    )
    ev = Evaluator(MODEL, X, Y)
    found = ev.forward(config)
    assert all(layer.exact for layer in ev.roads(config))
    assert torch.equal(found, quantized_by_torch(MODEL, config, X))
    usual = by_type(linear=integer(6, 3, 4, 3, 5, 4), relu=integer(5, 2))
    if mode != ("half_even", "saturate"):
        assert not torch.equal(found, ev.forward(usual)), "the mode must matter here, or nothing is tested"


def test_one_call_tells_the_modes_apart() -> None:
    configs = [
        by_type(linear=in_modes(integer(6, 3, 4, 3, 5, 4), data_in=data_in, weight=weight))
        for data_in in MODES
        for weight in MODES[:3]
    ]
    ev = Evaluator(MODEL, X, Y)
    together = ev.evaluate_many(configs)
    assert together == [ev.evaluate(config) for config in configs]
    assert len({metrics.loss for metrics in together}) == len(configs)


roundings, overflows = st.sampled_from(ROUNDING_MODES), st.sampled_from(OVERFLOW_MODES)
operand_modes = st.dictionaries(
    st.sampled_from(["data_in", "weight", "bias"]), st.tuples(roundings, overflows)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=6, max_size=6), operand_modes, operand_modes, st.integers(0, 3))
def test_any_format_in_any_mode(widths, linear_modes, relu_modes, seed) -> None:
    model = chain((16, 7, 4), seed)
    linear = in_modes(integer(*widths), **linear_modes)
    config = by_type(linear=linear, relu=in_modes(integer(*widths), **relu_modes))
    ev = Evaluator(model, X, Y.clamp(max=3))
    assert all(layer.exact for layer in ev.roads(config))
    assert torch.equal(ev.forward(config), quantized_by_torch(model, config, X))


def test_infinities_wrap_to_nan_in_their_own_rows() -> None:
    x = X.clone()
    x[3, 0], x[5, 1] = float("inf"), float("nan")
    model = chain(SIZES, first_norm=False)
    config = by_type(linear=in_modes(integer(8, 4), data_in=("half_even", "wrap")))
    found = Evaluator(model, x, Y).forward(config)
    expected = quantized_by_torch(model, config, x)
    assert torch.equal(found.isnan().any(1), torch.isin(torch.arange(len(x)), torch.tensor([3, 5])))
    assert torch.equal(found.nan_to_num(), expected.nan_to_num())
