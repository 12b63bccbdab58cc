"""The picture of a front for the README: weights of jsc-toy in 35 fixed-point formats a layer, on jsc-synth.

    python docs/pictures/front.py

writes front.svg beside itself. Nothing is needed but chop with its extra ``plot``: the weights come with the package,
the data set is made on the spot.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chop
from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.plotting import pareto_front, save
from chop.plotting.style import axes
from chop.tools.writer import write_line

ROWS = 10_000


def space() -> dict[str, Any]:
    """Weights of 2 to 8 bits with 2 to 6 of them behind the point, data and biases of 8; the rest stays in float."""
    formats = {
        "name": ["integer"],
        "data_in_width": [8],
        "data_in_frac_width": [4],
        "weight_width": [2, 3, 4, 5, 6, 7, 8],
        "weight_frac_width": [2, 3, 4, 5, 6],
        "bias_width": [8],
        "bias_frac_width": [4],
    }
    seed = {"default": {"config": {"name": ["NA"]}}, "linear": {"config": formats}}
    return {"name": "graph/quantize/mixed_precision_ptq", "setup": {"by": "type"}, "seed": seed}


def main() -> None:
    """Sweep the space and draw it."""
    data = MaseDataModule(name="jsc-synth", batch_size=1024, num_workers=0)
    data.prepare_data()
    data.setup()
    model = get_model("jsc-toy", task="classification", dataset_info=data.dataset_info, pretrained=True)
    x, y = data.arrays("val")
    ev = chop.Evaluator(model.eval(), x[:ROWS], y[:ROWS])
    report = chop.search.sweep(
        ev, space(), {"accuracy": "maximize", "average_bitwidth": "minimize"}, prune=False
    )
    write_line(repr(report))
    ax = pareto_front(report, ax=axes(None, 6.2, 3.6))
    ax.axhline(ev.evaluate(None).accuracy, color="black", linewidth=0.9, linestyle=":")
    ax.annotate(
        "float", (0.01, ev.evaluate(None).accuracy), (0, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", fontsize=8,
    )  # fmt: skip
    ax.set_title(
        f"jsc-toy: all {report.configurations:,} configurations on {report.rows:,} rows", fontsize=10
    )
    write_line(f"wrote {save(ax, Path(__file__).with_suffix('.svg'))}")


if __name__ == "__main__":
    main()
