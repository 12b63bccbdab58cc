"""The results as JSON and as a page of Markdown tables."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

OURS, LIGHTNING, JAX = "chop", "Lightning + DataLoader", "JAX jit + scan"
TORCH = "torch loop with fused Adam"
# Times Lightning, times torch and times JAX: of networks, or by the size of the batch.
GOALS: dict[str | int, tuple[float | str, ...]] = {
    "resnet8": ("–", 3, 1.5),
    16: (800, "–", 10),
    256: (250, "–", 5),
    1024: (100, "–", 4),
}

INTRODUCTION = """\
# Training against its peers

Adam on random rows of 16 floats, and ResNet-8 on random images of 3x32x32: million samples a second, median of
{rounds} rounds, one process, one thread on one core ({clock} time). In each round every way runs once, in a random
order. Rows are picked by a permutation; loss, backward, running statistics of batch norms and updates are included,
preparation and compilation are not. chop and JAX train whole epochs of {rows:,} rows, everybody epochs of 10,000
images; Lightning (one logged number a step, no validation, no checkpoint, no bar) and the torch loop, which are slower
by far, some hundred steps of the rows.
"""


@dataclass
class Result:
    """Samples a second of each way in each round; ``losses``: mean loss of the first epoch, where known."""

    model: str
    batch: int
    speeds: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    cpu_share: float = 0.0

    def median(self, name: str) -> float | None:
        """Median of samples a second, None for what did not run."""
        return statistics.median(self.speeds[name]) if self.speeds.get(name) else None

    def ratio(self, name: str) -> float | None:
        """How many times faster than ``name`` the core is."""
        mine, other = self.median(OURS), self.median(name)
        return mine / other if mine and other else None


def as_json(results: Sequence[Result], about: dict[str, Any]) -> str:
    """Return all that was measured."""
    rows = [
        vars(result) | {"medians": {name: result.median(name) for name in result.speeds}}
        for result in results
    ]
    return json.dumps({"about": about, "results": rows}, indent=1) + "\n"


def _cell(value: float | None, unit: float = 1.0) -> str:
    return "–" if value is None else f"{value / unit:.3g}" if value / unit < 100 else f"{value / unit:,.0f}"


def as_markdown(results: Sequence[Result], about: dict[str, Any]) -> str:
    """Return the page."""
    names = list(dict.fromkeys(name for result in results for name in result.speeds))
    head = ["network, batch", *names, "x Lightning", "goal", "x torch", "goal", "x JAX", "goal", "CPU share"]
    lines = [
        INTRODUCTION.format(**about),
        "| " + " | ".join(head) + " |",
        "|---|" + "---:|" * (len(head) - 1),
    ]
    for result in results:
        goals = GOALS.get(result.model, GOALS.get(result.batch, ("–",) * 3))
        peers = zip((LIGHTNING, TORCH, JAX), goals, strict=True)
        ratios = [cell for name, goal in peers for cell in (_cell(result.ratio(name)), f"{goal}")]
        speeds = [_cell(result.median(name), 1e6) for name in names]
        cells = [f"{result.model}, {result.batch}", *speeds, *ratios, f"{result.cpu_share:.0%}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    for result in results:
        lines += [
            f"- {result.model}, {result.batch}: {name} did not run: {why}"
            for name, why in result.missing.items()
        ]
    machine, versions = about["machine"], about["machine"]["versions"]
    lines.append(
        f"\n{machine['cpu']}, {machine['chop_isa']}; load {about['load'][0]:.1f} to {about['load'][1]:.1f}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f"; {about['date']}."
    )
    return "\n".join(lines) + "\n"
