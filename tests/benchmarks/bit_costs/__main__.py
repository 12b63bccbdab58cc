"""``python -m tests.benchmarks.bit_costs``: measure what is not measured yet, and write the page and its picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chop.tools.atomic_write import atomic_write
from tests.benchmarks.bit_costs.cases import NETS, SEEDS, UNSEEN, Case, cases
from tests.benchmarks.bit_costs.figures import columns, fresh_figures, parts_of
from tests.benchmarks.bit_costs.measuring import measure
from tests.benchmarks.bit_costs.page import page
from tests.benchmarks.bit_costs.picture import draw

FOLDER = Path(__file__).parents[3] / "docs" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it.

    Args:
        arguments: words of the command line; None: those of the process.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--yosys", help="the program; left out: as ch synth finds one")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="configs of each network")
    parser.add_argument("--unseen", type=int, default=len(UNSEEN), help="configs that nothing is fitted on")
    words = parser.parse_args(arguments)
    chosen = cases(range(words.seeds))
    results = measure(chosen, words.folder / "bit_costs.json", program=words.yosys)
    luts = np.array([float(results[case.key]["luts"]) for case in chosen])
    fresh = [Case(NETS[-1], seed) for seed in UNSEEN[: words.unseen]]
    counted = measure(fresh, words.folder / "bit_costs_unseen.json", program=words.yosys)
    told = fresh_figures(fresh, [float(counted[case.key]["luts"]) for case in fresh])
    parts = parts_of(chosen)
    figures = columns(chosen, parts, luts)
    versions = sorted({results[case.key]["yosys"] for case in chosen})
    draw(chosen, luts, figures, words.folder / "bit_costs.png")
    atomic_write(words.folder / "bit_costs.md", page(chosen, luts, figures, parts, versions, told))


if __name__ == "__main__":
    main()
