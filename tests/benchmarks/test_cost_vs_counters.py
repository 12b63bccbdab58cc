"""All cost models of a new configuration against FLOP counters that run the model, in turn, one thread.

Run: pytest -m benchmark -s tests/benchmarks/test_cost_vs_counters.py
(ptflops takes part where it is installed)
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from chop.cost import Costs
from chop.models.physical.jet_substructure import JSC_Toy
from tests.evaluator.models import integer

BATCH, ROUNDS, CALLS = 8, 3, 100  # each side is called CALLS times in a row, each time timed
CHOICES = ((8, 4), (4, 2), (16, 8), (6, 3), (5, 2), (7, 4), (10, 5))


def configs(layers: list[str]) -> list[dict[str, Any]]:
    """Every way to give each layer one of a few formats, as a search space has them; no two are equal."""
    return [
        {"by": "name", "default": {"config": {"name": None}}}
        | {name: {"config": integer(*choice)} for name, choice in zip(layers, chosen, strict=True)}
        for chosen in itertools.product(CHOICES, repeat=len(layers))
    ]


def torch_counter(model: torch.nn.Module, x: torch.Tensor) -> Callable[[], float]:
    def count() -> float:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            model(x)
        return counter.get_total_flops()

    return count


def ptflops_counters(model: torch.nn.Module, x: torch.Tensor) -> dict[str, Callable[[], float]]:
    try:
        from ptflops import get_model_complexity_info
    except ImportError:
        print("\nptflops is not installed: its counters take no part")  # noqa: T201
        return {}

    def counter(backend: str) -> Callable[[], float]:
        options = {"print_per_layer_stat": False, "as_strings": False, "verbose": False, "backend": backend}
        build = lambda shape: x  # noqa: E731  the batch of the others
        return lambda: get_model_complexity_info(model, (16,), input_constructor=build, **options)[0]

    return {f"ptflops {backend}": counter(backend) for backend in ("pytorch", "aten")}


def timed(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@pytest.mark.benchmark
def test_costs_of_a_config_vs_counters() -> None:
    torch.set_num_threads(1)
    model = JSC_Toy(SimpleNamespace(num_features=16, num_classes=5)).eval()
    x = torch.randn(BATCH, 16)
    costs = Costs(model, batch=BATCH)
    layers = [row["name"] for row in costs.operations if row["op"] == "linear"]
    wanted = configs(layers)
    for config in (
        wanted[: len(CHOICES)] + wanted[:: len(CHOICES)]
    ):  # every rule has been seen once, as in a search
        costs.evaluate(config)
    peers = {"torch FlopCounterMode": torch_counter(model, x), **ptflops_counters(model, x)}
    times: dict[str, list[float]] = {name: [] for name in (*peers, "chop")}
    first: list[float] = []
    for round_ in range(ROUNDS):
        for name, count in peers.items():
            times[name] += [timed(count) for _ in range(CALLS)]
        block = [
            timed(partial(costs.evaluate, config)) for config in wanted[round_ * CALLS : (round_ + 1) * CALLS]
        ]
        times["chop"] += block
        first.append(block[0])
    found = costs.evaluate(wanted[-1])
    assert 2 * found["macs"] == torch_counter(model, x)()  # both look at the same network
    medians = {name: statistics.median(values) * 1e6 for name, values in times.items()}
    ours = medians.pop("chop")
    fastest = min(medians, key=lambda name: medians[name])
    row = {
        "peers_us": medians,
        "chop_us": ours,
        "chop_first_of_a_block_us": statistics.median(first)
        * 1e6,  # with the peers' data in the processor's caches
        "models": len(found),
        "fastest": fastest,
        "ratio": medians[fastest] / ours,
    }
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
    if folder := os.environ.get("CHOP_BENCHMARK_DIR"):
        (Path(folder) / "cost_models.json").write_text(json.dumps(row))
    assert row["ratio"] >= 100, row
