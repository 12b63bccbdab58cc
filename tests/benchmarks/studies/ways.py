"""One study of 16-16-8-5 run in several ways: ours by sampler, and Optuna's TPE with the MASE-style loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from chop import MaseGraph
from chop.actions.search.context import SearchContext
from chop.actions.search.objective import Objective
from chop.actions.search.schema import parse_search_config
from chop.actions.search.search_space import SEARCH_SPACES
from chop.actions.search.strategies import STRATEGIES
from tests.benchmarks import mase_loop
from tests.benchmarks.evaluator.cases import Case, build

LOOP = "tpe_loop"
SAMPLERS = ("random", "grid", "qmc", "native-tpe", "nsgaii", "tpe")
LABELS = {LOOP: "Optuna's TPE, MASE-style loop", "tpe": "chop, Optuna's TPE"}
CHOICES = {
    "name": ["integer"],
    "data_in_width": [4, 6, 8],
    "data_in_frac_width": [3],
    "weight_width": [2, 4, 8],
    "weight_frac_width": [1, 3],
    "bias_width": [8],
    "bias_frac_width": [4],
}
SEVERAL = {entry: choices for entry, choices in CHOICES.items() if len(choices) > 1}
Study = Callable[[], np.ndarray]  # runs it; values float64 [trials, 2], by trial


@dataclass(frozen=True)
class Rows:
    """A data module that holds one split."""

    case: Case
    batch_size: int = 512

    def prepare_data(self) -> None:
        """Nothing to fetch."""

    def setup(self) -> None:
        """Nothing to read."""

    def arrays(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self.case.x, self.case.y


def label(way: str) -> str:
    return LABELS.get(way, f"chop, {way}")


def toy(rows: int, seed: int = 0) -> Case:
    return build("toy", rows, seed)


def table(sampler: str, trials: int) -> dict[str, Any]:
    """A search document: 18 formats a linear layer, 5,832 configurations, accuracy and average bit width."""
    return {
        "search": {
            "search_space": {
                "name": "graph/quantize/mixed_precision_ptq",
                "setup": {"by": "type"},
                "seed": {"default": {"config": {"name": [None]}}, "linear": {"config": dict(CHOICES)}},
            },
            "strategy": {
                "name": "optuna",
                "eval_mode": True,
                "sw_runner": {"basic_evaluation": {"num_samples": 10**9}},
                "hw_runner": {"average_bitwidth": {"compare_to": 32}},
                "setup": {"n_jobs": 1, "n_trials": trials, "sampler": sampler, "storage": "memory"},
                "metrics": {"accuracy": {"scale": 1.0}, "average_bitwidth": {"scale": 1.0}},
            },
        }
    }


def ours(case: Case, sampler: str, trials: int, seed: int) -> Study:
    """Prepare a study of ours; what is prepared is the model's graph, the data and the checked config."""
    config = parse_search_config(table(sampler, trials))
    graph = MaseGraph(case.model)
    space = SEARCH_SPACES[config.search_space.name](
        graph, config.search_space.setup, config.search_space.seed
    )
    strategy: Any = STRATEGIES["optuna"](config.strategy.setup, space, seed)
    objective = Objective(space, SearchContext(graph, Rows(case), seed=seed), config.strategy, False)

    def run() -> np.ndarray:
        result = strategy.run(objective, "benchmark", None)
        return np.array([trial.values for trial in result.study.get_trials(deepcopy=False)])

    return run


def loop(case: Case, trials: int, seed: int) -> Study:
    """Prepare the peer's study: the same space, one suggestion a parameter, the metrics kept as MASE keeps them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    weights = [layer.weight.numel() for layer in case.layers]

    def objective(trial: Any) -> tuple[float, float]:
        formats, widths, config = [], [], {}
        for node in case.nodes:
            found = {
                entry: choices[trial.suggest_int(f"{node}/config/{entry}", 0, len(choices) - 1)]
                for entry, choices in SEVERAL.items()
            }
            rule = {entry: found.get(entry, choices[0]) for entry, choices in CHOICES.items()}
            config[node] = {"config": rule}
            widths.append(rule["weight_width"])
            formats.append(
                tuple((rule[f"{o}_width"], rule[f"{o}_frac_width"]) for o in ("data_in", "weight", "bias"))
            )
        accuracy, loss = mase_loop.evaluate(
            mase_loop.quantized(case.model, formats), case.x, case.y, case.classes
        )
        average = sum(w * n for w, n in zip(widths, weights, strict=True)) / sum(weights)
        trial.set_user_attr("software_metrics", {"loss": loss, "accuracy": accuracy})
        trial.set_user_attr("hardware_metrics", {"average_bitwidth": average, "memory_density": 32 / average})
        trial.set_user_attr("sampled_config", config)
        return accuracy, average

    def run() -> np.ndarray:
        study = optuna.create_study(
            directions=["maximize", "minimize"], sampler=optuna.samplers.TPESampler(seed=seed)
        )
        study.optimize(objective, n_trials=trials)
        return np.array([trial.values for trial in study.get_trials(deepcopy=False)])

    return run


def prepare(way: str, case: Case, trials: int, seed: int) -> Study:
    return loop(case, trials, seed) if way == LOOP else ours(case, way, trials, seed)
