"""One width everywhere, trained by several recipes: what each is worth on the test rows."""

from __future__ import annotations

import copy
import time
from typing import Any

from chop import MaseGraph
from chop.passes.graph import quantize_transform_pass
from chop.plt_wrapper.schedules import Schedule
from chop.training import fit
from tests.benchmarks.evaluator.report import table

from .cases import Case
from .fronts import measure

FLOAT = {"by": "name", "default": {"config": {"name": None}}}
WIDTHS = ((2, 2), (2, 3), (2, 4), (3, 3), (3, 4), (4, 4), (4, 6), (6, 6))  # of weights and of inputs
RECIPES = {
    "clipped, 3e-3, cosine": ("clipped", 3e-3, "cosine"),
    "plain, 3e-3, cosine": ("plain", 3e-3, "cosine"),
    "plain, 1e-3, cosine": ("plain", 1e-3, "cosine"),
    "clipped, 1e-3, cosine": ("clipped", 1e-3, "cosine"),
    "clipped, 3e-3, constant": ("clipped", 3e-3, "constant"),
}


def config_of(weight: int, data_in: int) -> dict[str, Any]:
    """Every linear layer in these widths, half of each behind the point."""
    table = {
        "name": "integer",
        "data_in_width": data_in,
        "data_in_frac_width": data_in // 2,
        "weight_width": weight,
        "weight_frac_width": weight // 2,
        "bias_width": 8,
        "bias_frac_width": 4,
    }
    return {
        "by": "name",
        "default": FLOAT["default"],
        **{f"seq_blocks_{i}": {"config": table} for i in (0, 2, 4, 6)},
    }


def train(
    case: Case, config: dict[str, Any] | None, recipe: tuple[str, float, str], epochs: int, seed: int
) -> tuple[float, float, float]:
    """Return (test accuracy, EBOPs, CPU seconds) of the float weights, trained under a config; None trains in float.

    With no epochs they are only rounded.
    """
    straight_through, rate, schedule = recipe
    graph = MaseGraph(copy.deepcopy(case.model))
    if config is not None:
        quantize_transform_pass(graph, config)
    began = time.process_time()
    if epochs:
        fit(
            graph, {split: case.rows[split] for split in ("train", "val")}, classes=case.sizes[-1],
            trainer_args={"max_epochs": epochs, "accelerator": "cpu"}, engine="native", learning_rate=rate,
            lr_scheduler=Schedule(schedule, "step"), batch_size=case.batch, straight_through=straight_through,
            seed=seed, bar=False, validate=False,
        )  # fmt: skip
    seconds = time.process_time() - began
    quantize_transform_pass(graph, FLOAT)
    found = measure(case, graph.model.eval(), config or FLOAT)
    return found["test"], found["ebops"], seconds


def run(case: Case, epochs: int, seed: int) -> list[dict[str, Any]]:
    """One row for each pair of widths."""
    rows = []
    for weight, data_in in WIDTHS:
        config = config_of(weight, data_in)
        found = {name: train(case, config, recipe, epochs, seed) for name, recipe in RECIPES.items()}
        found["rounded only"] = train(case, config, RECIPES["plain, 3e-3, cosine"], 0, seed)
        rows.append({"weight": weight, "data_in": data_in, "recipes": found})
    return rows


def as_table(rows: list[dict[str, Any]]) -> str:
    """Test accuracy (%) and EBOPs of each recipe at each pair of widths."""
    cells = [
        [f"{row['weight']} / {row['data_in']}"]
        + [f"{100 * accuracy:.1f} ({ebops:,.0f})" for accuracy, ebops, _ in row["recipes"].values()]
        for row in rows
    ]
    seconds = [each[2] for row in rows for each in row["recipes"].values() if each[2] > 0]
    made = table(["bits of weights / inputs", *rows[0]["recipes"]], cells)
    return f"{made}\n\nA training took {sum(seconds) / len(seconds):.2f} s of CPU time on average."
