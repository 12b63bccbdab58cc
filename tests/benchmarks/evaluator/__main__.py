"""python -m tests.benchmarks.evaluator: the whole benchmark, or a part of it."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from chop.tools.atomic_write import atomic_write
from chop.tools.writer import write_line

from . import machine, report
from .cases import SIZES, WHAT, build
from .goals import judge
from .measure import PROBED_ROWS, Settings, fresh_compiler_cache, measure
from .peers import PEERS
from .results import CaseResult

DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.evaluator", description=__doc__)

    def names(text: str) -> list[str]:
        return [part for part in text.split(",") if part]

    made.add_argument("--models", type=names, help=f"some of {','.join(WHAT)}; all by default")
    made.add_argument("--rows", type=names, help="some of the numbers of rows, or others with --models")
    made.add_argument("--peers", type=names, help=f"some of {','.join(PEERS)}; all by default")
    made.add_argument("--rounds", type=int, default=Settings.rounds)
    made.add_argument("--configs", type=int, default=Settings.configs, help="configurations in one pass")
    made.add_argument("--seed", type=int, default=Settings.seed)
    made.add_argument("--cpu", type=int, help="core to run on; the last one by default")
    made.add_argument(
        "--processor-time",
        action="store_true",
        help="of the process, not on the wall: where others share the core",
    )
    folder = os.environ.get("CHOP_BENCHMARK_DIR", DOCS)
    made.add_argument(
        "--out", type=Path, default=Path(folder), help="folder of evaluator.json and evaluator.md"
    )
    return made


def chosen_sizes(options: argparse.Namespace) -> list[tuple[str, int]]:
    """Return (model, rows) of the cases asked for; unknown models or peers end the program."""
    for asked, known in ((options.models, WHAT), (options.peers, PEERS)):
        if unknown := [name for name in asked or () if name not in known]:
            raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    rows = [int(number) for number in options.rows or ()]
    found = [
        (name, count)
        for name, count in SIZES
        if name in (options.models or WHAT) and (not rows or count in rows)
    ]
    return found or [(name, count) for count in rows for name in options.models or ()]


def run(options: argparse.Namespace) -> list[CaseResult]:
    """Measure the cases asked for, one after the other, and write the two files after each of them."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the peers have many
    settings = Settings(options.rounds, options.configs, options.seed, options.cpu, options.processor_time)
    about: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.describe(),
        "rounds": settings.rounds,
        "seed": settings.seed,
        "clock": "processor" if settings.processor_time else "wall",
    }
    start, cases = machine.load(), []
    with fresh_compiler_cache():
        for name, rows in chosen_sizes(options):
            write_line(f"{name}, {rows:,} rows")
            # Nothing that compiles or calibrates for minutes where only the bound is asked.
            quick = rows < PROBED_ROWS or options.peers
            peers = [
                peer
                for peer in PEERS.values()
                if (quick or not peer.rebuilds) and peer.name in (options.peers or PEERS)
            ]
            cases.append(measure(build(name, rows, settings.seed), peers, settings))
            write(options.out, cases, about | {"load": (start, machine.load())})
    return cases


def write(folder: Path, cases: Sequence[CaseResult], about: dict[str, Any]) -> None:
    verdicts = judge(cases, machine.has_amx())
    atomic_write(folder / "evaluator.json", report.as_json(cases, verdicts, about))
    atomic_write(folder / "evaluator.md", report.as_markdown(cases, verdicts, about))


def main(arguments: Sequence[str] | None = None) -> list[CaseResult]:
    options = parser().parse_args(arguments)
    cases = run(options)
    write_line((options.out / "evaluator.md").read_text())
    return cases


if __name__ == "__main__":
    main(sys.argv[1:])
