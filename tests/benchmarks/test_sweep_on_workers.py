"""65,536 configurations in this process and on workers: processor time of those that measure, and what a task costs.

Run: pytest -m benchmark -s tests/benchmarks/test_sweep_on_workers.py
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from chop.pool import Recipe, Source, open_pool
from chop.search import sweep
from tests.pool import work
from tests.sweep.spaces import choices, evaluator, table

pytest.importorskip("distributed", reason="distributed is not installed: pip install '.[dist]'")

ROWS, SIZES = 8_000, (16, 64, 32, 32, 5)
SPACE = table(linear=choices(data_in_width=[4, 6, 8, 10], weight_width=[2, 4, 6, 8]))
SOURCE = Source(f"{__name__}:measured")
TASKS, TURNS = 300, 3
MOST_CPU, MOST_OVERHEAD = 1.25, 5e-3  # of one process; seconds a task


def measured(options: Any) -> tuple[Any, Any]:
    return evaluator(ROWS, SIZES), SPACE


def report(**row: Any) -> None:
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
    if folder := os.environ.get("CHOP_BENCHMARK_DIR"):
        name = "_".join(str(row[key]) for key in ("what", "workers", "prune") if key in row)
        (Path(folder) / f"workers_{name}.json").write_text(json.dumps(row))


def cpu_of_workers() -> float:
    """Seconds of processor that the children of this process took so far, those that work."""
    found = [child for child in psutil.Process().children(True) if "spawn_main" in " ".join(child.cmdline())]
    return sum(sum(child.cpu_times()[:2]) for child in found)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.benchmark
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("prune", [False, True])
def test_a_sweep(prune: bool, workers: int, tmp_path: Path) -> None:
    """The least of some turns: seconds of a processor that others share the caches of vary by a third."""
    ev, _ = measured(None)
    alone, there, walls = [], [], []
    with open_pool(workers) as pool:
        # In the first turn workers import and build: they keep what they built.
        for turn in range(TURNS + 1):
            begin, folder = time.process_time(), tmp_path / f"here-{turn}"
            here = sweep(ev, SPACE, prune=prune, threads=1, path=folder)
            alone.append(time.process_time() - begin)
            begin, wall = cpu_of_workers(), time.perf_counter()
            given = {"prune": prune, "threads": 1, "pool": pool, "source": SOURCE}
            found = sweep(ev, SPACE, path=tmp_path / f"there-{turn}", **given)
            there.append(cpu_of_workers() - begin)
            walls.append(time.perf_counter() - wall)
            assert found.front == here.front and found.pruned == here.pruned
            assert files(tmp_path / f"there-{turn}") == files(folder)
    cpu = {"cpu_here": min(alone), "cpu": min(there[1:]), "cpu_with_start": there[0], "wall": min(walls[1:])}
    parts = len(list(folder.glob("part-*")))
    report(what="sweep", workers=workers, prune=prune, parts=parts, ratio=cpu["cpu"] / cpu["cpu_here"], **cpu)
    assert cpu["cpu"] <= MOST_CPU * cpu["cpu_here"]


@pytest.mark.benchmark
def test_a_task() -> None:
    recipe = Recipe({}, Source("tests.pool.work:build", {}), "same", threading.Event())
    with open_pool(1) as pool:
        assert len(list(pool.run(work.double, recipe, range(20)))) == 20
        own, there, wall = time.process_time(), cpu_of_workers(), time.perf_counter()
        assert len(list(pool.run(work.double, recipe, range(TASKS)))) == TASKS
        own, there = time.process_time() - own, cpu_of_workers() - there
        wall = time.perf_counter() - wall
    each = {"here": own / TASKS, "worker": there / TASKS, "wall": wall / TASKS}
    report(what="task", workers=1, **each)
    assert each["here"] + each["worker"] <= MOST_OVERHEAD
