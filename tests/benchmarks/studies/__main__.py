"""python -m tests.benchmarks.studies: the studies asked for, every way in each round, and the two files."""

from __future__ import annotations

import argparse
import datetime
import gc
import os
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from chop.tools.atomic_write import atomic_write
from chop.tools.writer import write_line
from tests.benchmarks.evaluator import machine

from . import report
from .ways import LOOP, SAMPLERS, prepare, toy

DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"
CASES = [(10_000, 20), (10_000, 200), (166_000, 20), (166_000, 200)]
LONG = 166_000 * 200  # minutes a round


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.studies", description=__doc__)
    made.add_argument("--rows", type=int, nargs="+", help="of 10000 166000; both by default")
    made.add_argument("--trials", type=int, nargs="+", help="of 20 200; both by default")
    made.add_argument("--ways", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    made.add_argument("--rounds", type=int, default=5, help="one for the longest study")
    made.add_argument("--cpu", type=int, help="core to run on; the last one by default")
    folder = os.environ.get("CHOP_BENCHMARK_DIR", DOCS)
    made.add_argument("--out", type=Path, default=Path(folder), help="folder of studies.json and studies.md")
    return made


def measure(rows: int, trials: int, ways: Sequence[str], rounds: int, cpu: int | None) -> dict[str, Any]:
    """Run every way once a round, each round starting with another one."""
    case, seconds = toy(rows), {way: [] for way in ways}
    used = spent = 0.0
    with machine.pinned(cpu):
        for way in ways:  # what is imported and registered on first use belongs to nobody
            prepare(way, case, 1, 0)()
        for round_ in range(rounds):
            for i in range(len(ways)):
                way = ways[(i + round_) % len(ways)]
                study = prepare(way, case, trials, round_)
                gc.collect()
                processor, start = time.process_time(), time.perf_counter()
                values = study()
                seconds[way].append(time.perf_counter() - start)
                used, spent = used + time.process_time() - processor, spent + seconds[way][-1]
                assert len(values) == trials, way
    ms = {way: statistics.median(found) * 1e3 for way, found in seconds.items()}
    return {
        "rows": rows,
        "trials": trials,
        "rounds": rounds,
        "ms": ms,
        "all_ms": {way: [s * 1e3 for s in found] for way, found in seconds.items()},
        "ratios": {way: ms[LOOP] / ms[way] for way in ways if way != LOOP},
        "cpu_share": used / spent,
    }


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    about: dict[str, Any] = {"date": datetime.date.today().isoformat(), "machine": machine.describe()}
    start, cases = machine.load(), []
    for rows, trials in CASES:
        if rows not in (options.rows or [rows]) or trials not in (options.trials or [trials]):
            continue
        rounds = 1 if rows * trials >= LONG else options.rounds
        cases.append(measure(rows, trials, [LOOP, *options.ways], rounds, options.cpu))
        about["load"] = (start, machine.load())
        atomic_write(options.out / "studies.json", report.as_json(cases, about))
        atomic_write(options.out / "studies.md", report.as_markdown(cases, about))
    return cases


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = parser().parse_args(arguments)
    cases = run(options)
    write_line((options.out / "studies.md").read_text())
    return cases


if __name__ == "__main__":
    main(sys.argv[1:])
