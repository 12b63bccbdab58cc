"""python -m tests.benchmarks.samplers --shared FOLDER: every sampler against the exact front, as a page and as JSON."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chop.search.hypervolume import distance_to_front, front_points_found, hypervolume_curve
from chop.tools.atomic_write import atomic_write
from chop.tools.writer import write_line
from tests.benchmarks.evaluator.report import number, table

from .spaces import WAYS, Swept, mlp_on_real_jets, toy_on_synth

DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"
SAMPLERS = ("random", "grid", "qmc", "nsgaii", "nsgaiii", "tpe", "native-tpe")
BUDGETS = (20, 100, 1000)

INTRODUCTION = """\
# Samplers against the exact front

Every configuration of a space was measured by a sweep, so the front is known; then each sampler ran studies of two
objectives (accuracy, average bit width) with seeds 0, 1, …, its options left as they are. *Share*: hypervolume of what
a study found, of that of the exact front (reference: the worst of each objective and a tenth of its range beyond),
median over the seeds, and the worst seed; *found*: distinct points of the front among the trials, to the last bit,
median; *distance*: the modified inverted generational distance (IGD+) in ranges of the front, median. Written by
`python -m tests.benchmarks.samplers`. `tpe` is Optuna's, as Optuna 5 sets it up; `native-tpe` is ours; `grid` takes the
configurations in an order shuffled by the seed."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.samplers", description=__doc__)
    made.add_argument(
        "--shared", type=Path, help="folder with data/ for the real jets; without it no real jets"
    )
    made.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    made.add_argument("--seeds", type=int, default=20)
    made.add_argument(
        "--slow-seeds", type=int, default=5, help="of Optuna's TPE for 1,000 trials, seconds each"
    )
    folder = os.environ.get("CHOP_BENCHMARK_DIR", DOCS)
    made.add_argument(
        "--out", type=Path, default=Path(folder), help="folder of samplers.json and samplers.md"
    )
    return made


def judge(space: Swept, sampler: str, budget: int, seeds: int) -> dict[str, Any]:
    """Run a sampler with several seeds and compare what it found with the exact front."""
    shares, found, distances, start = [], [], [], time.perf_counter()
    for seed in range(seeds):
        values = space.study(sampler, budget, seed)
        shares.append(hypervolume_curve(values, WAYS, space.reference)[-1] / space.volume)
        found.append(front_points_found(values, space.front))
        distances.append(distance_to_front(values, space.front, WAYS))
    return {
        "sampler": sampler,
        "trials": budget,
        "seeds": seeds,
        "share": float(np.median(shares)),
        "worst_share": float(min(shares)),
        "found": float(np.median(found)),
        "distance": float(np.median(distances)),
        "seconds": time.perf_counter() - start,
    }


def compare(space: Swept, options: argparse.Namespace) -> dict[str, Any]:
    rows = []
    for budget in BUDGETS:
        if budget > len(space.values):
            budget = 200 if len(space.values) >= 200 else len(space.values)
        for sampler in options.samplers:
            slow = sampler == "tpe" and budget > 200
            seeds = min(options.slow_seeds, options.seeds) if slow else options.seeds
            rows.append(judge(space, sampler, budget, seeds))
    return {"what": space.what, "front": space.front.tolist(), "sweep_seconds": space.seconds, "rows": rows}


def page(results: Sequence[dict[str, Any]], about: dict[str, Any]) -> str:
    parts = [INTRODUCTION, f"{about['date']}; seed figures do not depend on the machine's load."]
    head = ["sampler", "trials", "seeds", "share", "worst seed", "found", "distance"]
    for result in results:
        points = len(result["front"])
        rows = [
            [
                row["sampler"],
                str(row["trials"]),
                str(row["seeds"]),
                f"{row['share']:.2%}",
                f"{row['worst_share']:.2%}",
                f"{row['found']:g} of {points}",
                number(row["distance"]),
            ]
            for row in result["rows"]
        ]
        parts += [f"## {result['what']}", f"The front has {points} points.", table(head, rows)]
    return "\n\n".join(parts) + "\n"


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    about, results = {"date": datetime.date.today().isoformat()}, []
    with tempfile.TemporaryDirectory() as folder:
        spaces = [toy_on_synth()]
        if options.shared is not None:
            spaces.append(mlp_on_real_jets(options.shared, Path(folder)))
        for space in spaces:
            results.append(compare(space, options))
            atomic_write(
                options.out / "samplers.json", json.dumps(about | {"spaces": results}, indent=1) + "\n"
            )
            atomic_write(options.out / "samplers.md", page(results, about))
    return results


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = parser().parse_args(arguments)
    results = run(options)
    write_line((options.out / "samplers.md").read_text())
    return results


if __name__ == "__main__":
    main(sys.argv[1:])
