"""Statistics of 1e6 x 16 floats against torch, in turn, one thread.

Run: pytest -m benchmark -s tests/benchmarks/test_statistics_vs_torch.py
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

import pytest
import torch

from chop import _core
from chop.passes.graph.analysis.statistical_profiler.stat import Moments, RangeQuantile

ROWS, CHANNELS, BATCH, ROUNDS = 1_000_000, 16, 10_000, 5


def moments(x):
    stat = Moments(dims=[0])
    stat.update_a_sample(x)
    found = stat.compute()
    return [found[field] for field in ("min", "max", "mean", "variance")]


def torch_moments(x):
    return [x.amin(0), x.amax(0), x.mean(0), x.var(0)]


def quantiles(x):
    stat = RangeQuantile(dims="all", quantile=0.97)
    for batch in x.split(BATCH):  # as a profile does
        stat.update_a_sample(batch)
    found = stat.compute()
    return [found["min"], found["max"]]


def sorted_quantiles(x):
    """Collect the batches, sort once, interpolate. MASE sorts for each of the two quantiles."""
    data = torch.cat(list(x.split(BATCH))).flatten().sort().values
    found = []
    for q in (0.03, 0.97):
        position = q * (len(data) - 1)
        index = int(position)
        found.append(torch.lerp(data[index].double(), data[index + 1].double(), position - index))
    return found


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("name", "ours", "peer", "goal"),
    [
        ("min, max, mean, variance per channel", moments, torch_moments, 30),
        ("exact 0.97 quantile over all", quantiles, sorted_quantiles, 40),
    ],
)
def test_statistics_vs_torch(name, ours, peer, goal):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(ROWS, CHANNELS)
    times = {"chop": [], "torch": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = ours(x)
        times["chop"].append(time.perf_counter() - start)
        start = time.perf_counter()
        expected = peer(x)
        times["torch"].append(time.perf_counter() - start)
        for a, b in zip(found, expected, strict=True):  # the same answers on both sides
            torch.testing.assert_close(a, b.double(), rtol=1e-5, atol=1e-6)
    chop_ms, torch_ms = (statistics.median(times[who]) * 1e3 for who in ("chop", "torch"))
    row = {"what": name, "chop_ms": chop_ms, "torch_ms": torch_ms, "ratio": torch_ms / chop_ms}
    row["isa"] = _core.active_isa()
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
    if folder := os.environ.get("CHOP_BENCHMARK_DIR"):
        (Path(folder) / f"statistics_{ours.__name__}.json").write_text(json.dumps(row))
    assert torch_ms / chop_ms >= goal
