"""Spaces of which every configuration was measured, and studies that look values up in them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chop import Evaluator
from chop.actions.search.samplers import SamplerPlan
from chop.models import get_model
from chop.search import pareto_front, sweep
from chop.search.hypervolume import hypervolume, reference_point

WAYS = ("maximize", "minimize")
OBJECTIVES = {"accuracy": "maximize", "average_bitwidth": "minimize"}
CERNBOX_NAME = "processed-pythia82-lhc13-all-pt1-50k-r1_h022_e0175_t220_nonu_truth.z"
ONE = {"name": ["integer"], "data_in_width": [8], "data_in_frac_width": [4], "weight_width": [8]}
ONE |= {"weight_frac_width": [4], "bias_width": [8], "bias_frac_width": [4]}


@dataclass(frozen=True)
class Swept:
    """A whole space.

    Attributes:
        what: model, data and size in words.
        lengths: parameter -> number of choices, more than one.
        values: of every configuration, the last parameter turning fastest; float64 [configurations, 2].
        seconds: that the sweep took.
    """

    what: str
    lengths: dict[str, int]
    values: np.ndarray
    seconds: float

    @property
    def front(self) -> np.ndarray:
        """The distinct points of the exact front, float64 [points, 2]."""
        return np.unique(self.values[pareto_front(self.values, WAYS)], axis=0)

    @property
    def reference(self) -> np.ndarray:
        return reference_point(self.values, WAYS)

    @property
    def volume(self) -> float:
        return hypervolume(self.front, WAYS, self.reference)

    def look_up(self, indexes: dict[str, int]) -> tuple[float, float]:
        place = np.ravel_multi_index([indexes[name] for name in self.lengths], tuple(self.lengths.values()))
        accuracy, width = self.values[place].tolist()
        return accuracy, width

    def study(self, sampler: str, trials: int, seed: int) -> np.ndarray:
        """Run a sampler as the strategy does, with values that were measured before; float64 [trials, 2]."""
        import optuna

        plan = SamplerPlan(sampler, {}, self.lengths, seed)
        study = optuna.create_study(directions=list(WAYS), sampler=plan.build(0))
        found = []
        for number in range(plan.trials(trials)):
            if plan.each_trial and number:
                study.sampler = plan.build(number)
            trial = study.ask()
            indexes = {name: trial.suggest_int(name, 0, n - 1) for name, n in self.lengths.items()}
            found.append(self.look_up(indexes))
            study.tell(trial, found[-1])
        return np.array(found)


def swept(evaluator: Evaluator, choices: dict[str, list[Any]], what: str) -> Swept:
    seed = {"default": {"config": {"name": [None]}}, "linear": {"config": {**ONE, **choices}}}
    report = sweep(evaluator, {"setup": {"by": "type"}, "seed": seed}, OBJECTIVES, prune=False)
    assert report.evaluated == report.configurations, "two configurations mean the same"
    last = report.indexes(report.configurations - 1)
    lengths = {name: index + 1 for name, index in last.items() if index > 0}
    assert math.prod(lengths.values()) == report.configurations
    values = np.stack([report.results[name] for name in OBJECTIVES], axis=1)
    return Swept(f"{what}; {report.configurations:,} configurations", lengths, values, report.seconds)


def synthetic(rows: int, model: str, weights: Path | None = None) -> Evaluator:
    """A pretrained model on generated jets."""
    from chop.dataset import MaseDataModule

    module = MaseDataModule("jsc-synth", 512)
    module.prepare_data()
    module.setup()
    x, y = (torch.as_tensor(array)[:rows] for array in module.arrays("val"))
    return Evaluator(get_model(model, pretrained=True).eval(), x, y)


def toy_on_synth() -> Swept:
    """Six formats a layer of jsc-toy."""
    choices = {"weight_width": [2, 4, 8], "weight_frac_width": [1, 3]}
    return swept(synthetic(10_000, "jsc-toy"), choices, "jsc-toy on 10,000 synthetic jets")


def mlp_on_real_jets(shared: Path, folder: Path) -> Swept:
    """Sixteen formats a layer of the tutorial's network with its own weights, on real jets."""
    import h5py

    from chop.dataset import MaseDataModule

    shutil.copy(shared / "data" / "jsc-1000-cernbox-layout.h5", folder / CERNBOX_NAME)
    model = get_model("jsc-mlp")
    linears = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    with h5py.File(shared / "data" / "hls4ml-tutorial-model_1-best.h5") as file:
        for name, linear in zip(["fc1", "fc2", "fc3", "output"], linears, strict=True):
            group = file["model_weights"][name][name]
            linear.weight.data.copy_(torch.from_numpy(group["kernel:0"][()].T))
            linear.bias.data.copy_(torch.from_numpy(group["bias:0"][()]))
    scaler = shared / "data" / "jsc-openml-marginals.npz"
    module = MaseDataModule("jsc", 512, data_dir=folder, class_order="gqtwz", split="all", scaler=scaler)
    module.prepare_data()
    module.setup()
    evaluator = Evaluator(model.eval(), *module.arrays("val"))
    assert evaluator.evaluate().correct == 786  # the tutorial's model, its order of classes, its scaling
    choices = {"data_in_width": [6, 8], "weight_width": [3, 4, 6, 8], "weight_frac_width": [2, 4]}
    return swept(evaluator, choices, "jsc-mlp with the tutorial's weights on 1,000 real jets")


Make = Callable[[], Swept]
