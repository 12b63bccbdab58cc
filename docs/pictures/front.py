"""Draws ``front.png``: every configuration of the example search, and the front. ``python docs/pictures/front.py``"""

from __future__ import annotations

import io
import tomllib
from pathlib import Path

import matplotlib as mpl
import matplotlib.figure

import chop
from chop import plotting
from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.tools.atomic_write import atomic_write

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parents[1] / "configs" / "examples" / "jsc_search.toml"


def draw() -> bytes:
    """Sweep the space of the README's first command on the validation rows and draw it."""
    space = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["search"]["search_space"]
    x, y = MaseDataModule("jsc-synth", batch_size=512).arrays("val")
    evaluator = chop.Evaluator(get_model("jsc-toy", pretrained=True), x, y)
    objectives = {"accuracy": "maximize", "average_bitwidth": "minimize"}
    report = chop.search.sweep(evaluator, space, objectives, prune=False)
    mpl.use("Agg")
    figure = mpl.figure.Figure(figsize=(7.2, 3.8), layout="constrained")
    floats = {"accuracy": evaluator.evaluate().accuracy}
    ax = figure.add_subplot()
    plotting.pareto_front(report, x="average_bitwidth", y="accuracy", ax=ax, floats=floats)
    ax.set_title(f"jsc-toy on synthetic jets: all {len(report.results['accuracy']):,} configurations")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()


if __name__ == "__main__":
    atomic_write(HERE / "front.png", draw())
