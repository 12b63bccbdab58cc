"""Multiply-accumulates against torch's own counter, which runs the model and counts two for each."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from chop.cost import Costs
from chop.models.physical.jet_substructure import JSC_Toy
from tests.cost.layers import KINDS, Case, encoder, multihead, recurrent

SLOW = (recurrent, encoder, multihead)


def counted(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Twice the products, on the meta device: on a processor recurrent layers are one kernel that counts for none."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.to("meta").eval()(*(x.to("meta") for x in inputs))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops()


def check(model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    costs = Costs(model, x=inputs, models=("macs",))
    assert not costs.left_out, model
    assert 2 * costs.evaluate()["macs"] == counted(model, inputs), (model, [x.shape for x in inputs])


@pytest.mark.parametrize("kind", KINDS)
def test_layers_and_functions(kind: Callable[[random.Random], Case]) -> None:
    for seed in range(8 if kind in SLOW else 20):
        model, inputs = kind(random.Random(seed))
        check(model, inputs)


@pytest.mark.parametrize("batch", [1, 512])
def test_jsc_toy(batch: int) -> None:
    class Info:
        num_features, num_classes = 16, 5

    check(JSC_Toy(Info()), (torch.empty(batch, 16),))


def test_a_large_model_costs_no_memory() -> None:
    with torch.device("meta"):
        model: Any = nn.TransformerEncoderLayer(4096, 32, 16384, batch_first=True)
    check(nn.Sequential(model), (torch.empty(64, 4096, 4096, device="meta"),))
