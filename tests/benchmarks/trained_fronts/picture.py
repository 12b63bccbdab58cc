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

from .report import LABELS, ORDER, points_of

DOCS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"
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
    """One plot a case: each seed's front thin, and the mean of them at the targets."""
    import matplotlib as mpl
    import matplotlib.figure

    mpl.use("Agg")
    cases = found["cases"]
    figure = mpl.figure.Figure(figsize=(4.6 * len(cases), 4.0), layout="constrained")
    axes = figure.subplots(1, len(cases), squeeze=False)[0]
    for ax, (case, about) in zip(axes, cases.items(), strict=True):
        for place, way in enumerate(ORDER):
            by_seed = points_of(found["runs"], case, way)
            fronts = [steps(points) for points in by_seed.values()]
            for number, front in enumerate(fronts):
                label = LABELS[way] if number == 0 else None
                ax.step(
                    *zip(*front, strict=True), where="post", color=f"C{place}", lw=1, alpha=0.8, label=label
                )
                ax.plot(*zip(*front, strict=True), "o", ms=2.5, color=f"C{place}")
        ax.set(xscale="log", xlabel="EBOPs", ylabel="test accuracy (%)", title=f"{case}")
        ax.set_xticks(about["targets"], [f"{target:,}" for target in about["targets"]], rotation=30)
        ax.minorticks_off()
        lowest = min(about["targets"]) / 2
        seen = [y for line in ax.lines for x, y in zip(*line.get_data(), strict=True) if x >= lowest]
        ax.set_xlim(left=lowest)
        if seen:
            ax.set_ylim(max(min(seen), statistics.median(seen) - 30), max(seen) + 1)
        ax.grid(alpha=0.3)
    axes[0].legend(loc="lower right", fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()


def write(found: dict[str, Any], folder: Path) -> None:
    atomic_write(folder / "trained_fronts.png", draw(found))


if __name__ == "__main__":
    write(json.loads((FOLDER / "trained_fronts.json").read_text(encoding="utf-8")), FOLDER)
