"""Graphs made by several threads at once: a grid of trainings does that."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch import nn

from chop import MaseGraph


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
