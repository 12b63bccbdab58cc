"""Draws ``trained_fronts.png`` of the figures: ``python -m tests.benchmarks.trained_fronts.picture``."""

from __future__ import annotations

import io
import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chop.tools.atomic_write import atomic_write

from .report import EARLIER, LABELS, ORDER, accuracies, points_of

DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"
LOWEST = 40.0  # % that are drawn
FOLDER = Path(os.environ.get("CHOP_BENCHMARK_DIR", DOCS))


def steps(points: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """(EBOPs, test accuracy) of the points that are best on the validation rows up to their EBOPs."""
    found, best = [], -1.0
    for point in sorted(points, key=lambda p: (p["ebops"], -p["val"])):
        if point["val"] > best:
            best = point["val"]
            found.append((point["ebops"], 100 * point["test"]))
    return found


def draw(found: dict[str, Any]) -> bytes:
    """A plot for each case: the front of each seed thin, mean and standard deviation over seeds at the targets."""
    import matplotlib as mpl
    import matplotlib.figure

    mpl.use("Agg")
    cases = found["cases"]
    figure = mpl.figure.Figure(figsize=(4.6 * len(cases), 4.0), layout="constrained")
    axes = figure.subplots(1, len(cases), squeeze=False)[0]
    for ax, (case, about) in zip(axes, cases.items(), strict=True):
        targets = about["targets"]
        for place, way in enumerate(ORDER):
            _draw_way(ax, points_of(found["runs"], case, way), targets, LABELS[way], f"C{place}")
        if earlier := EARLIER.get(case):
            ax.plot(*zip(*earlier.items(), strict=True), "kx", ms=6, label="HGQ2, earlier run")
        ax.set(xscale="log", xlabel="EBOPs", ylabel="test accuracy (%)", title=case)
        ax.set_xticks(targets, [f"{target:,}" for target in targets], rotation=30)
        ax.minorticks_off()
        ax.set_xlim(min(targets) / 2, max(targets) * 1.2)
        ax.set_ylim(LOWEST, None)
        ax.grid(alpha=0.3)
    axes[0].legend(loc="lower right", fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()


def _draw_way(
    ax: Any, by_seed: dict[int, list[dict[str, Any]]], targets: Sequence[int], label: str, color: str
) -> None:
    for points in by_seed.values():
        ax.step(*zip(*steps(points), strict=True), where="post", color=color, lw=0.8, alpha=0.35)
    means = [(t, [100 * p["test"] for p in accuracies(by_seed, t)]) for t in targets]
    means = [(target, found) for target, found in means if found]
    if means:
        middle = [statistics.mean(found) for _, found in means]
        spread = [statistics.stdev(found) if len(found) > 1 else 0.0 for _, found in means]
        places = [target for target, _ in means]
        ax.errorbar(places, middle, spread, fmt="o-", ms=4, lw=1.6, capsize=3, color=color, label=label)


def write(found: dict[str, Any], folder: Path) -> None:
    atomic_write(folder / "trained_fronts.png", draw(found))


if __name__ == "__main__":
    write(json.loads((FOLDER / "trained_fronts.json").read_text(encoding="utf-8")), FOLDER)
