"""Ctrl-C in the middle of a trace leaves torch's modules as they were."""

from __future__ import annotations

import pytest
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
