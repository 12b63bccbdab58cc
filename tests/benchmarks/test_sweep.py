"""Whole spaces: time and front, printed. The front is compared with a loop over a random subset, exactly.

Run: pytest -m benchmark -s tests/benchmarks/test_sweep.py
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chop.search import pareto_front, sweep
from tests.sweep.spaces import choices, evaluator, table

SPACES = {
    "16-16-8-5": (166_000, (16, 16, 8, 5), {"weight_width": [2, 4, 8], "weight_frac_width": [1, 3]}),
    "jsc-mlp": (
        8_000,
        (16, 64, 32, 32, 5),
        {"data_in_width": [4, 6, 8, 10], "weight_width": [2, 4, 6, 8]},
    ),
}
STANDARD = {"accuracy": "maximize", "average_bitwidth": "minimize"}
CHECKED = 100


@pytest.mark.benchmark
@pytest.mark.parametrize("name", SPACES)
def test_sweep(name: str) -> None:
    rows, sizes, formats = SPACES[name]
    ev, space = evaluator(rows, sizes), table(linear=choices(**formats))
    fronts: list[Any] = []
    for prune in (False, True):
        for threads in (1, 2, 4):
            start = time.perf_counter()
            found = sweep(ev, space, prune=prune, threads=threads)
            row = {
                "space": name,
                "rows": rows,
                "configurations": found.configurations,
                "threads": threads,
                "prune": prune,
                "pruned": found.pruned,
                "front": len(found.front),
                "seconds": time.perf_counter() - start,
            }
            print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
            if folder := os.environ.get("CHOP_BENCHMARK_DIR"):
                name_of_file = f"sweep_{name}_{'pruned' if prune else 'whole'}_{threads}.json"
                (Path(folder) / name_of_file).write_text(json.dumps(row))
            fronts.append(found.front)
            assert found.evaluated + found.pruned + found.duplicates == found.configurations
            if not prune:
                if threads == 1:
                    whole = found
                for each in STANDARD:  # all of it, to the last bit, for any number of threads
                    np.testing.assert_array_equal(found.results[each], whole.results[each])
    assert all(front == fronts[0] for front in fronts)
    numbers = sorted(random.Random(0).sample(range(whole.configurations), CHECKED))
    costs = whole.results["average_bitwidth"][numbers]
    loop = np.stack([[ev.evaluate(whole.config(n), loss=False).accuracy for n in numbers], costs], axis=1)
    swept = np.stack([whole.results[each][numbers] for each in STANDARD], axis=1)
    np.testing.assert_array_equal(loop, swept)
    ways = list(STANDARD.values())
    assert pareto_front(loop, ways).tolist() == pareto_front(swept, ways).tolist()
