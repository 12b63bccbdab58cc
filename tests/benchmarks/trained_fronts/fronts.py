"""The front of a sweep, and that of ``train_front`` from the same space, on the same rows."""

from __future__ import annotations

import copy
import tempfile
import time
from pathlib import Path
from typing import Any

from torch import nn

from chop import Evaluator
from chop.actions import search
from chop.cost import Costs
from chop.models import get_model_info
from chop.tools.best_file import SavedWeights

from .cases import Case

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
EPOCHS = 20


def document(setup: dict[str, Any], runners: dict[str, Any], rows: int) -> dict[str, Any]:
    """The [search] table."""
    strategy = {
        "name": "exhaustive",
        "sw_runner": {"basic_evaluation": {"num_samples": rows}, **runners},
        "hw_runner": {"cost": {}},
        "setup": setup,
        "metrics": {"accuracy": {}, "ebops_hgq": {}},
    }
    return {"search": {"search_space": SPACE, "strategy": strategy}}


def post_training(case: Case, jobs: int, seed: int) -> dict[str, Any]:
    """The exact front of the float weights, rounded."""
    return _searched(case, {"n_jobs": jobs}, {}, seed)


def train_front(case: Case, jobs: int, seed: int, trained: int) -> dict[str, Any]:
    """The front of what ``train_front`` trains from the float weights."""
    recipe = {
        "max_epochs": EPOCHS * case.epochs,
        "batch_size": case.batch,
        "learning_rate": 3e-3,
        "lr_scheduler": "cosine",
    }
    setup = {"n_jobs": jobs, "train_front": True, "most_trained": trained}
    return _searched(case, setup, {"basic_train": recipe}, seed)


def _searched(case: Case, setup: dict[str, Any], runners: dict[str, Any], seed: int) -> dict[str, Any]:
    data = case.data()
    table = document(setup, runners, len(case.rows["val"][1]))
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        result = search(
            case.model, get_model_info("jsc-mlp"), "cls", data.dataset_info, data, table, folder, seed=seed
        )
        seconds = time.process_time() - began
        assert result is not None
        points = [_point(case, entry, Path(folder)) for entry in result.best]
        trials = len(result.study.trials)
    points.sort(key=lambda point: point["ebops"])
    return {"cpu_seconds": seconds, "trials": trials, "points": points}


def _point(case: Case, entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    made = copy.deepcopy(case.model)
    if "weights" in entry:
        weights = entry["weights"]
        SavedWeights(folder / weights["file"], weights["sha256"]).load_into(made)
    return measure(case, made, entry["sampled_config"])


def measure(case: Case, model: nn.Module, config: Any) -> dict[str, float]:
    """Shares of right rows of the validation and the test rows, and EBOPs as the paper of HGQ counts."""
    found = {
        split: float(
            Evaluator(model, *case.rows[split]).evaluate(config, metrics=["accuracy_micro"])["accuracy_micro"]
        )
        for split in ("val", "test")
    }
    shape = tuple(case.rows["val"][0].shape[1:])
    return {"ebops": float(Costs(model, 1, ("ebops_hgq",), shape).evaluate(config)["ebops_hgq"]), **found}
