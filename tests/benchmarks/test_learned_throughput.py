"""Samples a CPU second of the native trainer: float, quantized, and with widths that are learned.

Run: pytest -m benchmark -s tests/benchmarks/test_learned_throughput.py
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import pytest
import torch
from torch import nn

from chop import MaseGraph
from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.passes.graph import quantize_transform_pass
from chop.tools.writer import write_line
from chop.training import LayerWidths, NativeTrainer
from chop.training.order import epoch_order

BATCH, EPOCHS, ROUNDS = 512, 3, 5
TABLE = {
    "name": "integer",
    "data_in_width": 8,
    "data_in_frac_width": 4,
    "weight_width": 6,
    "weight_frac_width": 4,
    "bias_width": 8,
    "bias_frac_width": 4,
}
CONFIG = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": TABLE}}


def trainers() -> dict[str, NativeTrainer]:
    x, y = MaseDataModule("jsc-synth", BATCH).arrays("train")
    model = get_model("jsc-mlp", pretrained=True).eval()
    with torch.no_grad():
        soft = model(x).softmax(1)
    made: dict[str, NativeTrainer] = {"float": NativeTrainer(model, x, y)}
    made["quantized"] = NativeTrainer(_quantized(model), x, y, straight_through="clipped")
    learned = NativeTrainer(
        _quantized(model),
        x,
        y,
        straight_through="clipped",
        learned_widths={"weight": "element", "data_in": "element"},
        targets=soft,
    )
    wide = {
        name: LayerWidths(
            torch.full_like(of.input_fractions, 4.0),
            torch.full_like(of.input_integers, 3.0),
            torch.full_like(of.weight_fractions, 4.0),
        )
        for name, of in learned.widths.read().items()
    }
    learned.widths.write(wide)
    learned.widths.learn(5e-3, 1e-6)
    return made | {"learned": learned}


def _quantized(model: nn.Module) -> MaseGraph:
    graph, _ = quantize_transform_pass(MaseGraph(copy.deepcopy(model)), CONFIG)
    return graph


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.benchmark
def test_quantized_training_keeps_the_pace() -> None:
    made = trainers()
    best = dict.fromkeys(made, float("inf"))
    for turn in range(ROUNDS):  # in turns, so that what else runs meets all of them
        for name, trainer in made.items():
            order = epoch_order(0, turn, trainer.rows)
            taken = seconds(lambda t=trainer, o=order: [t.epoch(BATCH, 1e-4, o) for _ in range(EPOCHS)])
            best[name] = min(best[name], taken)
    pace = {name: EPOCHS * made[name].rows / taken for name, taken in best.items()}
    for name, samples in pace.items():
        share = samples / pace["float"]
        write_line(f"{name}: {samples / 1e6:.2f} million samples a CPU second, {share:.0%} of float")
    assert pace["quantized"] >= 0.70 * pace["float"]
    assert pace["learned"] >= 0.40 * pace["float"]
