"""The front of a sweep, and that of ``train_front`` from the same sweep, on the same rows."""

from __future__ import annotations

import copy
import tempfile
import time
from pathlib import Path
from typing import Any

from torch import nn

import chop
from chop import Evaluator
from chop.actions import search
from chop.models import get_model, get_model_info
from chop.tools.best_file import SavedWeights

from .counting import ebops_hgq

MODEL = "jsc-mlp"
TARGETS = (1_000, 1_500, 3_000, 10_000, 17_500, 30_000)
LINEAR = {
    "name": ["integer"],
    "data_in_width": [2, 3, 4, 6],
    "data_in_frac_width": ["NA"],  # half the width
    "weight_width": [2, 3, 4, 6],
    "weight_frac_width": ["NA"],
    "bias_width": [8],
    "bias_frac_width": [4],
}
SPACE = {
    "name": "graph/quantize/mixed_precision_ptq",
    "setup": {"by": "type"},
    "seed": {"default": {"config": {"name": ["NA"]}}, "linear": {"config": LINEAR}},
}
RECIPE = {"max_epochs": 20, "batch_size": 512, "learning_rate": 3e-3, "lr_scheduler": "cosine"}


def document(setup: dict[str, Any], runners: dict[str, Any]) -> dict[str, Any]:
    """The [search] table."""
    strategy = {
        "name": "exhaustive",
        "sw_runner": {"basic_evaluation": {"num_samples": 10_000}, **runners},
        "hw_runner": {"cost": {}},
        "setup": setup,
        "metrics": {"accuracy": {}, "ebops": {}},
    }
    return {"search": {"search_space": SPACE, "strategy": strategy}}


def run(data: Any, trained: int, jobs: int, seed: int) -> dict[str, Any]:
    """Both fronts with their points: EBOPs as the paper counts, validation and test accuracy; CPU seconds."""
    model = get_model(MODEL, pretrained=True).eval()
    ways = {
        "post-training": ({"n_jobs": jobs}, {}),
        "train_front": (
            {"n_jobs": jobs, "train_front": True, "most_trained": trained},
            {"basic_train": dict(RECIPE)},
        ),
    }
    found = {}
    for way, (setup, runners) in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            result = search(
                model, get_model_info(MODEL), "cls", data.dataset_info, data, document(setup, runners),
                folder, seed=seed,
            )  # fmt: skip
            assert result is not None
            seconds = time.process_time() - began
            trials = len(result.study.trials)
            points = [_point(model, entry, Path(folder), data) for entry in result.best]
        points.sort(key=lambda point: point["ebops_hgq"])
        found[way] = {"cpu_seconds": seconds, "trials": trials, "points": points}
    return found


def _point(model: nn.Module, entry: dict[str, Any], folder: Path, data: Any) -> dict[str, Any]:
    made = copy.deepcopy(model)
    if "weights" in entry:
        weights = entry["weights"]
        SavedWeights(folder / weights["file"], weights["sha256"]).load_into(made)
    config = entry["sampled_config"]
    accuracy = {
        split: float(Evaluator(made, *data.arrays(split)).evaluate(config)["accuracy"])
        for split in ("val", "test")
    }
    return {"ebops_hgq": ebops_hgq(made, config), **accuracy, "ebops": entry["hardware_metrics"]["ebops"]}


def at(points: list[dict[str, Any]], target: float) -> dict[str, Any] | None:
    """The point of at most so many EBOPs that is best on the validation rows."""
    fitting = [point for point in points if point["ebops_hgq"] <= target]
    return max(fitting, key=lambda point: point["val"], default=None)


def versions() -> str:
    """chop and torch."""
    import torch

    return f"chop {chop.__version__}, torch {torch.__version__}"
