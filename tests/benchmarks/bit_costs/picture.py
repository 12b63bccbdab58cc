"""The picture: every cost model against LUTs, a small panel each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from chop.plotting import save
from chop.plotting.style import PALETTE
from tests.benchmarks.bit_costs.cases import NETS, Case
from tests.benchmarks.bit_costs.figures import Agreement

SHOWN = ("bitops", "model_size", "average_bitwidth", "ebops", "alkaid's cost of the sums", "luts_estimate")


def draw(cases: Sequence[Case], luts: np.ndarray, figures: Mapping[str, np.ndarray], path: Path) -> None:
    """Write the picture.

    Args:
        cases: of which. luts: counted. figures: model -> figure of each case. path: of the PNG.
    """
    figure = Figure(figsize=(9.0, 5.6), layout="constrained")
    panels = figure.subplots(2, 3, sharey=True)
    for ax, name in zip(panels.flat, SHOWN, strict=True):
        for net, colour in zip(NETS, PALETTE, strict=False):
            chosen = np.array([case.net == net for case in cases])
            ax.scatter(figures[name][chosen], luts[chosen], s=16, color=colour, label=net, alpha=0.85)
        ax.set_xlabel(name)
        ax.set_title(f"Spearman {Agreement.of(figures[name], luts).spearman:.3f}", fontsize=10)
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    for ax in panels[:, 0]:
        ax.set_ylabel("LUTs (yosys)")
    panels[0, 0].legend(frameon=False)
    save(panels[0, 0], path)
