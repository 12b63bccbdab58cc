"""Which stages of which listed models must come out equal: a refusal there is a step back.

``recorded.txt`` has a line a model: a letter a stage in the order of ``STAGES``, ``=`` where plain torch's numbers
must come out and ``.`` where a refusal is allowed, then the model's name. ``python -m tests.meaning --record`` writes
it; numbers that differ are never recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.meaning.outcomes import EQUAL, Outcome
from tests.meaning.stages import STAGES

_FILE = Path(__file__).with_name("recorded.txt")


def read_record() -> dict[str, frozenset[str]]:
    """Name of a model -> stages that must come out equal."""
    found = {}
    for line in _FILE.read_text().splitlines():
        letters, _, name = line.partition(" ")
        found[name] = frozenset(s for s, letter in zip(STAGES, letters, strict=True) if letter == "=")
    return found


def write_record(outcomes: Mapping[str, Iterable[Outcome]]) -> None:
    """Write what came of the listed models."""
    lines = []
    for name, found in outcomes.items():
        verdicts = {outcome.stage: outcome.verdict for outcome in found}
        lines.append("".join("=" if verdicts[s] == EQUAL else "." for s in STAGES) + " " + name)
    _FILE.write_text("\n".join(lines) + "\n")
