"""A study whose every trial trains: how long it takes."""

from __future__ import annotations

import tempfile
import time
from typing import Any

from chop.actions import search
from chop.models import get_model_info
from tests.benchmarks.evaluator import machine

from .cases import Case
from .fronts import SPACE

TRIALS, EPOCHS, GOAL = 200, 3, 120.0


def run(case: Case, trials: int, epochs: int, jobs: int, seed: int = 0) -> dict[str, Any]:
    """Return seconds by the clock and of the processor, the load before and after, and the best accuracy."""
    strategy = {
        "name": "optuna",
        "sw_runner": {
            "basic_train": {"max_epochs": epochs, "batch_size": case.batch, "learning_rate": 3e-3},
        },
        "hw_runner": {"cost": {}},
        "setup": {"n_trials": trials, "n_jobs": jobs, "sampler": "random"},
        "metrics": {"accuracy": {}, "ebops_hgq": {}},
    }
    data = case.data()
    load, wall, processor = machine.load(), time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        result = search(
            case.model, get_model_info("jsc-mlp"), "cls", data.dataset_info, data,
            {"search": {"search_space": SPACE, "strategy": strategy}}, folder, seed=seed,
        )  # fmt: skip
        assert result is not None and len(result.study.trials) == trials
        found = {
            "trials": trials,
            "epochs": epochs,
            "jobs": jobs,
            "wall_seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - processor,
            "load": [load, machine.load()],
        }
    return found
