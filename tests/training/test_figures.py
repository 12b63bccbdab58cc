"""What training reaches: the synthetic jets, quantization-aware training at 6 bits, and 1,000 real jets."""

from __future__ import annotations

import copy
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chop import MaseGraph
from chop.dataset import MaseDataModule
from chop.passes import quantize_transform_pass
from chop.training import fit
from chop.training.scores import evaluate
from tests.training.conftest import ENGINES, toy

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def synth() -> MaseDataModule:
    data = MaseDataModule("jsc-synth", 256)
    data.setup()
    return data


def train(model: nn.Module, data: Any, epochs: int, rate: float, **options: Any) -> nn.Module:
    args = {"max_epochs": epochs, "accelerator": "cpu"}
    fit(model, data, classes=5, learning_rate=rate, trainer_args=args, bar=False, **options)
    return model


def accuracy(model: nn.Module, data: MaseDataModule) -> float:
    return evaluate(model, data.test_dataloader(), 5, CPU).accuracy_micro


def six_bits(model: nn.Module) -> nn.Module:
    """Inputs and weights of the four layers on 6 bits; the fraction widths fit the ranges of inputs and weights."""
    graph = MaseGraph(copy.deepcopy(model))
    config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    layers = [n.name for n in graph.fx_graph.nodes if isinstance(graph.modules.get(n.target), nn.Linear)]
    for name, fraction in zip(layers, (3, 4, 3, 2), strict=True):
        widths = {"data_in_width": 6, "weight_width": 6, "bias_width": 8}
        fractions = {"data_in_frac_width": fraction, "weight_frac_width": 5, "bias_frac_width": 5}
        config[name] = {"config": {"name": "integer", **widths, **fractions}}
    return quantize_transform_pass(graph, config)[0].model


def test_perceptron_and_quantization_aware_training(synth: MaseDataModule) -> None:
    model = train(toy(name="jsc-mlp"), synth, 8, 3e-3)
    reached = accuracy(model, synth)
    assert reached >= 0.76
    quantized = six_bits(model)
    before = accuracy(quantized, synth)
    for kind in ("plain", "clipped"):
        aware = accuracy(train(copy.deepcopy(quantized), synth, 8, 3e-3, straight_through=kind), synth)
        assert aware > reached - 0.005 and aware > before + 0.01, (kind, reached, before, aware)


@pytest.mark.parametrize("engine", [ENGINES[0], pytest.param(ENGINES[1], marks=pytest.mark.soak)])
def test_linear(synth: MaseDataModule, engine: str) -> None:
    model = train(toy(name="jsc-linear"), synth, 10, 2e-2, batch_size=512, engine=engine)
    assert accuracy(model, synth) >= 0.67


# Recorded with plain torch on the same rows: share, learning rate. Half of jsc-tiny's initial weights leave a class
# behind its last ReLU for good, so its share depends on the draw more than on the rows.
REAL = {"jsc-tiny": (0.58, 3e-3), "jsc-linear": (0.64, 1e-2)}


@pytest.mark.parametrize("name", REAL)
def test_cross_validation_on_real_jets(shared_dir: Path, name: str) -> None:
    data = MaseDataModule(
        "jsc",
        64,
        data_file=shared_dir / "data" / "jsc-1000-cernbox-layout.h5",
        split="all",
        class_order="gqtwz",
        scaler=shared_dir / "data" / "jsc-openml-marginals.npz",
    )
    x, y = data.arrays("test")
    expected, rate = REAL[name]
    shares = []
    for draw in range(4):
        right = 0
        for fold in range(5):
            held = torch.arange(len(y)) % 5 == fold
            model = train(toy(100 * draw + fold, name), parts(x, y, held), 200, rate, batch_size=64)
            with torch.no_grad():
                right += int((model.eval()(x[held]).argmax(1) == y[held]).sum())
        shares.append(right / len(y))
    of_rows = (expected * (1 - expected) / len(y)) ** 0.5
    of_draws = statistics.stdev(shares) / len(shares) ** 0.5
    assert abs(statistics.mean(shares) - expected) < 2 * (of_rows**2 + of_draws**2) ** 0.5, shares


def parts(x: Tensor, y: Tensor, held: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    return {"train": (x[~held], y[~held]), "val": (x[held], y[held])}
