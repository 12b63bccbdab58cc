"""python -m tests.benchmarks.training: the whole benchmark, or a part of it."""

from __future__ import annotations

import argparse
import datetime
import os
import random
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

# Before JAX is imported: one thread, as for everybody else.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import torch

from chop.tools.atomic_write import atomic_write
from chop.tools.writer import write_line
from tests.benchmarks.evaluator import machine

from . import report
from .contestants import CONTESTANTS, IMAGE_BATCH, IMAGES, MODELS, Ready, make_case

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.training", description=__doc__)
    made.add_argument("--models", default=",".join(MODELS), help="some of them, with commas")
    made.add_argument("--batches", default="16,256,1024", help="sizes of batches of rows, with commas")
    made.add_argument("--ways", default=",".join(CONTESTANTS), help="some of them, with commas")
    made.add_argument("--rows", type=int, default=986_806)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--cpu", type=int, help="core to run on; the last one by default")
    made.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: where others use the machine too")
    folder = os.environ.get("CHOP_BENCHMARK_DIR", DOCS)
    made.add_argument(
        "--out", type=Path, default=Path(folder), help="folder of training.json and training.md"
    )
    return made


def measure(model: str, batch: int, options: argparse.Namespace) -> report.Result:
    """Prepare all ways, then rounds in which each runs once in a random order."""
    case, result = make_case(model, options.rows, batch), report.Result(model, batch)
    ready: dict[str, Ready] = {}
    for name in options.ways.split(","):
        result.speeds[name] = []
        try:
            ready[name] = CONTESTANTS[name](case)
        except ImportError as error:
            result.missing[name] = str(error)
    clock = CLOCKS[options.clock]
    turn, wall, cpu = random.Random(batch), time.perf_counter(), time.process_time()
    for _ in range(options.rounds):
        for name in turn.sample(sorted(ready), len(ready)):
            begin = clock()
            loss = ready[name].run()
            result.speeds[name].append(ready[name].rows / (clock() - begin))
            if loss is not None:
                result.losses.setdefault(name, loss)
    result.cpu_share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return result


def main(arguments: Sequence[str] | None = None) -> list[report.Result]:
    """Measure the cases asked for, and write the two files after each of them."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(1)
    about = machine.describe()
    for package in ("jax", "lightning"):
        try:
            about["versions"][package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    start, results = machine.load(), []
    with machine.pinned(options.cpu):
        for model in options.models.split(","):
            batches = [IMAGE_BATCH] if model in IMAGES else map(int, options.batches.split(","))
            for batch in batches:
                write_line(f"{model}, batches of {batch}")
                results.append(measure(model, batch, options))
                words = {
                    "machine": about,
                    "rounds": options.rounds,
                    "rows": options.rows,
                    "clock": options.clock,
                }
                words |= {"load": (start, machine.load()), "date": datetime.date.today().isoformat()}
                atomic_write(options.out / "training.json", report.as_json(results, words))
                atomic_write(options.out / "training.md", report.as_markdown(results, words))
    write_line((options.out / "training.md").read_text())
    return results


if __name__ == "__main__":
    main(sys.argv[1:])
