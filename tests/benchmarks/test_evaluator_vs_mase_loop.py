"""One trial's evaluation (accuracy and loss) against a MASE-style loop, in turn, one thread, a new config each time.

Run: pytest -m benchmark -s tests/benchmarks/test_evaluator_vs_mase_loop.py
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

import pytest
import torch

from chop import Evaluator, _core
from tests.evaluator.models import chain, data

from . import mase_loop

ROUNDS = 5
SHAPES = {"16-16-8-5": (16, 16, 8, 5), "16-8-8-5": (16, 8, 8, 5), "16-64-32-32-5": (16, 64, 32, 32, 5)}


def config_of(round_: int, layers: list[str]) -> tuple[dict, list]:
    """A configuration that no earlier round had, for both sides."""
    formats = [((8, 4 + round_ % 3), (8 - i, 3 + round_ // 3), (8, 4)) for i in range(len(layers))]
    rules = {
        name: {
            "config": {
                "name": "integer",
                **dict(zip(("data_in_width", "data_in_frac_width"), x, strict=True)),
                **dict(zip(("weight_width", "weight_frac_width"), w, strict=True)),
                **dict(zip(("bias_width", "bias_frac_width"), b, strict=True)),
            }
        }
        for name, (x, w, b) in zip(layers, formats, strict=True)
    }
    return {"by": "name", "default": {"config": {"name": None}}, **rules}, formats


@pytest.mark.benchmark
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [10_000, 166_000])
def test_evaluator_vs_mase_loop(shape: str, rows: int) -> None:
    torch.set_num_threads(1)
    sizes = SHAPES[shape]
    model, (x, y) = chain(sizes), data(rows, sizes[0], sizes[-1])
    ev = Evaluator(model, x, y, threads=1)
    layers = [f"_{i}" for i, layer in enumerate(model) if isinstance(layer, torch.nn.Linear)]
    times: dict[str, list[float]] = {"loop": [], "chop": []}
    for round_ in range(ROUNDS):
        config, formats = config_of(round_, layers)
        start = time.perf_counter()
        accuracy, loss = mase_loop.evaluate(mase_loop.quantized(model, formats), x, y, sizes[-1])
        times["loop"].append(time.perf_counter() - start)
        start = time.perf_counter()
        found = ev.evaluate(config)
        times["chop"].append(time.perf_counter() - start)
        # The same trial on both sides; the loop averages batch means, so a short last batch shifts its loss.
        assert found.accuracy == pytest.approx(accuracy, abs=2e-6)
        assert found.loss == pytest.approx(loss, rel=2e-3)
    loop, ours = (statistics.median(times[name]) * 1e3 for name in ("loop", "chop"))
    row = {
        "shape": shape,
        "rows": rows,
        "loop_ms": loop,
        "chop_ms": ours,
        "ratio": loop / ours,
        "isa": _core.active_isa(),
    }
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
    if folder := os.environ.get("CHOP_BENCHMARK_DIR"):
        (Path(folder) / f"evaluator_{shape}_{rows}.json").write_text(json.dumps(row))
    if shape == "16-16-8-5" and rows == 166_000:
        assert loop / ours >= 100
