"""One width everywhere, trained by several recipes: what each is worth on the test rows."""

from __future__ import annotations

import copy
import time
from typing import Any

from chop import Evaluator, MaseGraph
from chop.models import get_model
from chop.passes.graph import quantize_transform_pass
from chop.plt_wrapper.schedules import Schedule
from chop.training import fit

from .counting import ebops_hgq
from .fronts import MODEL

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
    data: Any, config: dict[str, Any] | None, recipe: tuple[str, float, str], epochs: int, seed: int
) -> Any:
    """Return (test accuracy, EBOPs, CPU seconds) of the shipped weights, trained under a config; None trains in float.

    With no epochs they are only rounded.
    """
    straight_through, rate, schedule = recipe
    graph = MaseGraph(copy.deepcopy(get_model(MODEL, pretrained=True).eval()))
    if config is not None:
        quantize_transform_pass(graph, config)
    began = time.process_time()
    if epochs:
        fit(
            graph, {"train": data.arrays("train"), "val": data.arrays("val")}, classes=5,
            trainer_args={"max_epochs": epochs, "accelerator": "cpu"}, engine="native", learning_rate=rate,
            lr_scheduler=Schedule(schedule, "step"), batch_size=512, straight_through=straight_through, seed=seed,
            bar=False, validate=False,
        )  # fmt: skip
    seconds = time.process_time() - began
    quantize_transform_pass(graph, FLOAT)
    graph.model.eval()
    accuracy = float(Evaluator(graph, *data.arrays("test"), threads=1).evaluate(config)["accuracy"])
    return accuracy, ebops_hgq(graph.model, config or FLOAT), seconds


def run(data: Any, epochs: int, seed: int) -> list[dict[str, Any]]:
    """One row for each pair of widths."""
    rows = []
    for weight, data_in in WIDTHS:
        config = config_of(weight, data_in)
        found = {name: train(data, config, recipe, epochs, seed) for name, recipe in RECIPES.items()}
        found["rounded only"] = train(data, config, RECIPES["plain, 3e-3, cosine"], 0, seed)
        rows.append({"weight": weight, "data_in": data_in, "recipes": found})
    return rows
