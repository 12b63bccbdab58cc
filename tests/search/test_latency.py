"""The metric latency: warm-up, median, one CPU, and nothing changed afterwards."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop.actions.search.context import SearchContext
from chop.actions.search.runners.latency import LatencyOptions, LatencyRunner, pinned
from chop.ir.graph import MaseGraph

Changed = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="this system does not pin threads"
)

LAYER = {
    "name": "integer",
    "data_in_width": 8,
    "data_in_frac_width": 4,
    "weight_width": 6,
    "weight_frac_width": 4,
}
CONFIG = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": LAYER}}


@pytest.mark.parametrize("of", ["evaluator", "torch"])
def test_latency_is_a_time(
    of: str, model: nn.Module, data_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = LatencyOptions(of=of, batch_size=64, warm_up=2, repeats=9)  # type: ignore[arg-type]
    runner = LatencyRunner(SearchContext(MaseGraph(model), data_module), options)
    before, threads = os.sched_getaffinity(0), torch.get_num_threads()
    seen: list[set[int]] = []
    make = runner._call

    def slow(config: Any) -> Callable[[], object]:
        call = make(config)
        assert len(call()) == 64  # type: ignore[arg-type]

        def both() -> None:
            seen.append(os.sched_getaffinity(0))
            call()
            time.sleep(0.05 if len(seen) == 1 else 0.004 if len(seen) == 5 else 0.002)

        return both

    monkeypatch.setattr(runner, "_call", slow)
    start = time.perf_counter()
    found = runner(CONFIG)
    elapsed = (time.perf_counter() - start) * 1e3
    # Warm-up passes do not count, and one slow pass of nine does not move the median.
    assert 2.0 <= found["latency"] < (elapsed - 50) / 9 * 1.5 and found["latency"] < 50
    assert found["latency_spread"] >= 0 and len(seen) == 11
    assert len(set(map(frozenset, seen))) == 1 and len(seen[0]) == 1
    assert os.sched_getaffinity(0) == before and torch.get_num_threads() == threads


def test_pinning_is_undone_after_an_error_and_leaves_other_threads_alone() -> None:
    before = os.sched_getaffinity(0)
    others: list[set[int]] = []
    go, done = threading.Event(), threading.Event()

    def other() -> None:
        go.wait()
        others.append(os.sched_getaffinity(0))
        done.set()

    threading.Thread(target=other).start()
    with pytest.raises(KeyError), pinned(min(before)):
        go.set()
        done.wait()
        raise KeyError
    assert os.sched_getaffinity(0) == before and others == [before]


def test_a_search_by_latency(changed: Changed, run: Any, tmp_path: Path, caplog: Any) -> None:
    caplog.set_level("INFO", "chop")
    keys = {
        "strategy.metrics": {"accuracy": {}, "latency": {}},
        "strategy.hw_runner": {"latency": {"batch_size": 32, "repeats": 5}},
        "strategy.constraints": {"latency": {"max": 1e4}},
    }
    result = run(changed(keys), tmp_path)
    assert all(t.user_attrs["hardware_metrics"]["latency"] > 0 for t in result.study.trials) and result.best
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("latency: ")]
    assert len(said) == 1 and "the evaluator's forward pass on 32 rows, on CPU" in said[0]
