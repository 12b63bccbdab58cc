"""Traces that begin in one thread while another thread traces."""

from __future__ import annotations

import threading
import time

from torch import Tensor, nn

from chop.ir.graph.tracing import MaseTracer


def test_nothing_of_a_trace_stays_in_the_class_of_modules() -> None:
    ended = threading.Event()

    class Second(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            ended.wait(1.0)
            return x + 1

    class First(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            thread.start()
            time.sleep(0.2)
            return x + 1

    own = nn.Module.__call__, nn.Module.__getattr__
    thread = threading.Thread(target=lambda: MaseTracer().trace(Second()))
    try:
        MaseTracer().trace(First())
        ended.set()
        thread.join()
        assert (nn.Module.__call__, nn.Module.__getattr__) == own
    finally:
        nn.Module.__call__, nn.Module.__getattr__ = own  # type: ignore[method-assign]
