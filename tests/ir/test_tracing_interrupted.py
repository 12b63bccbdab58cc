"""Ctrl-C in the middle of a trace leaves torch's modules as they were."""

from __future__ import annotations

import math

import pytest
import torch
from torch import fx, nn

from chop.ir import MaseGraph


def test_an_interrupt_amid_the_clean_up_of_fx(monkeypatch: pytest.MonkeyPatch) -> None:
    own = nn.Module.__call__, nn.Module.__getattr__
    patcher = fx._symbolic_trace._Patcher

    def interrupted(self, *error):
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(patcher, "revert_all_patches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            MaseGraph(nn.Sequential(nn.Linear(4, 2), nn.ReLU()))
    assert (nn.Module.__call__, nn.Module.__getattr__) == own
    assert len(MaseGraph(nn.Sequential(nn.Linear(4, 2), nn.ReLU())).nodes) == 4


@pytest.mark.parametrize("undone", [0, 1, 1000])
def test_torch_compile_puts_nothing_back_that_an_interrupt_left(
    undone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    patcher = fx._symbolic_trace._Patcher
    own = nn.Module.__call__, nn.Module.__getattr__, math.sqrt

    def interrupted(self, *error):
        for patch in self.patches_made[:undone]:
            patch.revert()
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(patcher, "revert_all_patches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            MaseGraph(nn.Sequential(nn.Linear(4, 2), nn.ReLU()))
    assert fx._symbolic_trace.CURRENT_PATCHER is None
    model, x = nn.Sequential(nn.Linear(4, 2), nn.Tanh()), torch.ones(3, 4)
    compiled = torch.compile(model, backend="eager")
    assert torch.equal(compiled(x), model(x))
    assert (nn.Module.__call__, nn.Module.__getattr__, math.sqrt) == own
    assert model(x).shape == (3, 2)
