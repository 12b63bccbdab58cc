"""Real LUTs of each case, kept in a file so that a run goes on where the last one ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chop.emit import Wanted, design_of
from chop.emit.synthesis import synthesize_all
from chop.tools.atomic_write import atomic_write
from tests.benchmarks.bit_costs.cases import Case

TOGETHER = 8  # circuits in one run of yosys
Results = dict[str, dict[str, Any]]


def read(path: Path) -> Results:
    """Return case -> its figures, as far as they are measured."""
    return json.loads(path.read_text()) if path.exists() else {}


def measure(cases: Sequence[Case], path: Path, sums: str = "alkaid", program: str | None = None) -> Results:
    """Synthesize what has no figure yet, or another circuit than the figure is of, and return all.

    Args:
        cases: which. path: of the results. sums: a name of ``chop.emit.SUMS``. program: the yosys that is run; None: as
            :mod:`chop.emit.synthesis` finds one.
    """
    found = read(path)
    sources = {
        case.key: design_of(case.evaluator, case.config(), Wanted(sums=sums)).verilog for case in cases
    }
    digests = {key: hashlib.sha256(text.encode()).hexdigest() for key, text in sources.items()}
    todo = [key for key in sources if found.get(key, {}).get("sha256") != digests[key]]
    for start in range(0, len(todo), TOGETHER):
        keys = todo[start : start + TOGETHER]
        for key, counted in zip(keys, synthesize_all([sources[key] for key in keys], program), strict=True):
            row = {"luts": counted.luts, "carries": counted.carries, "yosys": counted.yosys}
            found[key] = row | {"sha256": digests[key]}
        atomic_write(path, json.dumps(found, indent=1, sort_keys=True) + "\n")
    return found
