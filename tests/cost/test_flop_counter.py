"""Multiply-accumulates against torch's own counter, which runs the model and counts two for each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from chop.cost import Costs
from chop.models.physical.jet_substructure import JSC_Toy


def counted(model: nn.Module, x: Tensor) -> int:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(x)
    return counter.get_total_flops()


def check(model: nn.Module, batch: int, shape: tuple[int, ...]) -> None:
    model = model.to("meta").eval()
    found = Costs(model, batch, ("macs",), input_shapes=shape).evaluate()
    assert 2 * found["macs"] == counted(model, torch.empty(batch, *shape, device="meta"))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
    st.sampled_from([(), (3,), (2, 5)]),
)
def test_linear(batch: int, fan_in: int, fan_out: int, bias: bool, middle: tuple[int, ...]) -> None:
    check(nn.Sequential(nn.Linear(fan_in, fan_out, bias=bias)), batch, (*middle, fan_in))


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from([1, 2]))
def test_convolution(data: Any, spatial: int) -> None:
    number = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    groups = number(1, 3)
    layer = (nn.Conv1d, nn.Conv2d)[spatial - 1](
        groups * number(1, 4),
        groups * number(1, 4),
        number(1, 4),
        stride=number(1, 3),
        padding=number(0, 3),
        dilation=number(1, 2),
        groups=groups,
        bias=data.draw(st.booleans()),
    )
    check(nn.Sequential(layer), number(1, 5), (layer.in_channels, *(number(8, 12) for _ in range(spatial))))


class Products(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(x @ x.transpose(1, 2), x)


def test_matrix_products() -> None:
    check(Products(), 3, (4, 5))


@pytest.mark.parametrize("batch", [1, 8, 512])
def test_jsc_toy(batch: int) -> None:
    class Info:
        num_features, num_classes = 16, 5

    check(JSC_Toy(Info()), batch, (16,))
