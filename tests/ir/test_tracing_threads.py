"""Graphs made by several threads at once: a grid of trainings does that."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    """Threads take turns so often that any two of them meet while tracing."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def test_threads_trace_their_own_models(impatient_threads: None) -> None:
    def layers(depth: int) -> list[str]:
        model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(depth)))
        return [node.op for node in MaseGraph(model).nodes]

    depths = [1, 3, 5, 7] * 10
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(layers, depths))
    assert found == [["placeholder", *["call_module"] * depth, "output"] for depth in depths]


def test_a_thread_that_does_not_trace_computes_as_ever(impatient_threads: None) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 5)).eval()
    x = torch.randn(30, 20)
    with torch.no_grad():
        expected = model(x)

    def evaluator(_: int) -> torch.Tensor:
        ev = Evaluator(model, x)
        assert (
            not ev.torch_nodes
        )  # read amid another's trace, a layer has no weights that the core could take
        return ev.forward()

    def forward(_: int) -> torch.Tensor:
        with torch.no_grad():
            return model(x)

    with ThreadPoolExecutor(6) as pool:
        found = [pool.submit(work, k) for k in range(40) for work in (evaluator, forward, forward)]
        for each in found:
            torch.testing.assert_close(each.result(), expected, rtol=1e-5, atol=1e-6)
