"""python -m tests.benchmarks.trained_fronts: both fronts for each seed, the recipes, and the two files."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chop.dataset import MaseDataModule
from chop.tools.atomic_write import atomic_write
from chop.tools.writer import write_line
from tests.benchmarks.evaluator import machine

from . import fronts, recipes

DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.trained_fronts", description=__doc__)
    made.add_argument("--trained", type=int, default=200, help="trials that train, for a front")
    made.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the fronts")
    made.add_argument("--epochs", type=int, default=20, help="of the recipes; 0: without them")
    made.add_argument("--jobs", type=int, default=-1, help="threads")
    folder = os.environ.get("CHOP_BENCHMARK_DIR", DOCS)
    made.add_argument("--out", type=Path, default=Path(folder), help="folder of trained_fronts.json and .md")
    return made


def run(options: argparse.Namespace) -> dict[str, Any]:
    data = MaseDataModule("jsc-synth", batch_size=512)
    data.prepare_data()
    data.setup()
    found: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.describe(),
        "versions": fronts.versions(),
        "load": [machine.load()],
        "fronts": {},
        "recipes": [],
    }
    for seed in options.seeds:
        found["fronts"][str(seed)] = fronts.run(data, options.trained, options.jobs, seed)
        _write(found, options.out)
    if options.epochs:
        found["recipes"] = recipes.run(data, options.epochs, 0)
    found["load"].append(machine.load())
    _write(found, options.out)
    return found


def _write(found: dict[str, Any], folder: Path) -> None:
    atomic_write(folder / "trained_fronts.json", json.dumps(found, indent=1) + "\n")
    atomic_write(folder / "trained_fronts.md", as_markdown(found))


def as_markdown(found: dict[str, Any]) -> str:
    """The tables."""
    lines = [
        "# Trained fronts against rounded ones\n",
        f"{found['date']}; {found['versions']}; {found['machine']}. jsc-synth (100,000 / 10,000 / 30,000 rows), "
        "network 16-64-32-32-5 with the shipped weights. EBOPs are counted as in arXiv:2405.00645: input bits without "
        "the sign, times the span of the set bits of each weight. A point is chosen on the validation rows, its "
        "accuracy (%, mean of the classes' recalls) is of the test rows.\n",
    ]
    if found["fronts"]:
        lines += [*_front_table(found["fronts"]), ""]
    if found["recipes"]:
        lines += _recipe_table(found["recipes"])
    return "\n".join(lines) + "\n"


def _front_table(by_seed: dict[str, Any]) -> list[str]:
    names = ["post-training", *(f"train_front, seed {seed}" for seed in by_seed)]
    ways = [
        next(iter(by_seed.values()))["post-training"],
        *(each["train_front"] for each in by_seed.values()),
    ]
    lines = ["| EBOPs at most | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for target in fronts.TARGETS:
        points = [fronts.at(way["points"], target) for way in ways]
        cells = ["–" if p is None else f"{100 * p['test']:.1f} ({p['ebops_hgq']:,.0f})" for p in points]
        lines.append(f"| {target:,} | " + " | ".join(cells) + " |")
    lines.append("| CPU seconds | " + " | ".join(f"{way['cpu_seconds']:.0f}" for way in ways) + " |")
    lines.append("| trials that train | " + " | ".join(["0", *(str(w["trials"]) for w in ways[1:])]) + " |")
    return lines


def _recipe_table(rows: list[dict[str, Any]]) -> list[str]:
    names = list(rows[0]["recipes"])
    lines = ["| bits of weights / inputs | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for row in rows:
        cells = [f"{100 * accuracy:.1f} ({ebops:,.0f})" for accuracy, ebops, _ in row["recipes"].values()]
        lines.append(f"| {row['weight']} / {row['data_in']} | " + " | ".join(cells) + " |")
    seconds = [r[2] for row in rows for r in row["recipes"].values() if r[2] > 0]
    return [*lines, "", f"A training took {sum(seconds) / len(seconds):.2f} s of CPU time on average."]


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser().parse_args(arguments)
    found = run(options)
    write_line((options.out / "trained_fronts.md").read_text())
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
