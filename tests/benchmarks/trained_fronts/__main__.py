"""python -m tests.benchmarks.trained_fronts: every way on every case, and the page, the numbers and the picture.

Each run is written as soon as it is there; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from . import hgq2

hgq2.ready()  # before anything imports Keras or JAX

import torch  # noqa: E402

from chop.tools.atomic_write import atomic_write  # noqa: E402
from chop.tools.writer import write_line  # noqa: E402
from tests.benchmarks.evaluator import machine  # noqa: E402

from . import picture, qat_search, recipes, report  # noqa: E402
from .cases import CASES, Case, Missing, mlp  # noqa: E402
from .ledger import Ledger  # noqa: E402
from .ways import PEER, WAYS, Effort  # noqa: E402

DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.trained_fronts", description=__doc__)
    made.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    made.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    made.add_argument("--seeds", type=int, nargs="+", help="of the trainings; all of a case by default")
    made.add_argument("--trained", type=int, default=80, help="trials that train, for a front of train_front")
    made.add_argument("--scale", type=float, default=1.0, help="of all epochs")
    made.add_argument("--rows", type=int, help="first rows of each split; all by default")
    made.add_argument("--jobs", type=int, default=1, help="threads")
    made.add_argument(
        "--study", type=int, nargs="?", const=qat_search.TRIALS, default=0, help="trials that train"
    )
    made.add_argument("--recipes", type=int, default=0, help="epochs of the table of recipes; 0: without it")
    folder = os.environ.get("CHOP_BENCHMARK_DIR", DOCS)
    made.add_argument(
        "--out", type=Path, default=Path(folder), help="folder of trained_fronts.json, .md and .png"
    )
    return made


def about(recorded: dict[str, Any]) -> dict[str, Any]:
    """The machine; of peers that are not installed, the versions that the recorded runs had."""
    described = machine.describe()
    versions = recorded.get("machine", {}).get("versions", {})
    for package in ("hgq2", "keras", "jax"):
        try:
            described["versions"][package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            if package in versions:
                described["versions"][package] = versions[package]
    return described


def processor() -> str:
    """What CPU seconds of a run are seconds of."""
    return str(machine.describe()["cpu"])


def run_case(name: str, ways: Sequence[str], ledger: Ledger, options: argparse.Namespace) -> list[str]:
    """Make the runs that are not there yet; return why some could not."""
    make, seeds = CASES[name]
    lacking: set[str] = set()
    effort = Effort(options.trained, options.scale, options.jobs)
    for seed in options.seeds or seeds:
        wanted = [(way, run) for way in ways for run in WAYS[way](name, effort)]
        open_runs = [(way, run) for way, run in wanted if not ledger.has(name, way, seed, run.settings)]
        if not open_runs:
            continue
        try:
            case = make(seed)
        except Missing as why:
            return [str(why)]
        case = case.limited(options.rows) if options.rows else case
        ledger.note(cases={name: {"what": case.what, "targets": case.targets}})
        for way, run in open_runs:
            write_line(f"{name}, {way}, seed {seed}, {run.settings}")
            load = machine.load()
            try:
                found = run.make(case, seed)
            except Missing as why:
                lacking.add(str(why))
                continue
            key = {"case": name, "way": way, "seed": seed, "settings": run.settings}
            ledger.add(key | found | {"load": [load, machine.load()], "processor": processor()})
            write(ledger, options.out)
    return sorted(lacking)


def write(ledger: Ledger, folder: Path) -> None:
    """The page and the picture of what is there."""
    content = ledger.content
    loads = [load for run in content["runs"] for load in run["load"]] or [0.0]
    content = {**content, "load": [min(loads), max(loads)]}
    atomic_write(folder / "trained_fronts.md", report.as_markdown(content))
    if content.get("cases"):
        picture.write(content, folder)


def run(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    ledger = Ledger(options.out / "trained_fronts.json")
    ledger.note(date=datetime.date.today().isoformat(), machine=about(ledger.content), cases={})
    missing, ways = [], list(options.ways)
    if PEER in ways and (why := hgq2.missing()):
        write_line(why)
        missing.append(why)
        ways.remove(PEER)
    for name in options.cases:
        for why in run_case(name, ways, ledger, options):
            write_line(why)
            missing.append(why)
    recorded = {run["way"] for run in ledger.content["runs"]}
    ledger.note(missing=[why for why in missing if not (PEER in recorded and why.startswith(PEER))])
    if options.study:
        ledger.note(qat_search=qat_search.run(_mlp(options), options.study, qat_search.EPOCHS, jobs=2))
    if options.recipes:
        ledger.note(recipes=recipes.run(_mlp(options), options.recipes, 0))
    write(ledger, options.out)
    return ledger.content


def _mlp(options: argparse.Namespace) -> Case:
    return mlp(0).limited(options.rows) if options.rows else mlp(0)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    options = parser().parse_args(arguments)
    found = run(options)
    write_line((options.out / "trained_fronts.md").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
