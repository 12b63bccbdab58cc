"""Forward of quantized layers without gradients, against torch's layer and one of three eager quantizers.

Run: pytest -m benchmark -s tests/benchmarks/test_fused_layers.py
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from chop import _core
from chop.nn.quantized.modules import Conv1dInteger, LinearInteger

from . import mase_loop

ROUNDS = 1000
CONFIG = {"name": "integer"} | {
    f"{operand}_{field}": number
    for operand in ("data_in", "weight", "bias")
    for field, number in (("width", 8), ("frac_width", 4))
}


class ThreeQuantizersConv1d(nn.Conv1d):
    """Stands in for MASE's convolution."""

    def forward(self, x):
        quantize = mase_loop._quantizer((8, 4))
        return self._conv_forward(quantize(x), quantize(self.weight), quantize(self.bias))


def medians(ways: dict[str, nn.Module], x: torch.Tensor, rounds: int) -> dict[str, float]:
    """Microseconds a call: the ways take turns, so that a busy machine hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.no_grad():
        for round_ in range(rounds + 50):
            for name, way in ways.items():
                start = time.perf_counter()
                way(x)
                if round_ >= 50:
                    times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) * 1e6 for name, values in times.items()}


def report(kind: str, shape: str, batch: int, found: dict[str, float]) -> float:
    ratio = found["chop"] / found["torch"]
    row = {"layer": kind, "shape": shape, "batch": batch, **{f"{name}_us": us for name, us in found.items()}}
    row |= {"ratio_to_torch": ratio, "ratio_of_three_quantizers": found["three"] / found["torch"]}
    row |= {"isa": _core.active_isa()}
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
    if folder := os.environ.get("CHOP_BENCHMARK_DIR"):
        (Path(folder) / f"fused_{kind}_{shape}_{batch}.json").write_text(json.dumps(row))
    return ratio


def check_same(ours: nn.Module, three: nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad():
        assert torch.equal(ours(x), three(x)), "all sums are exact at these widths"


@pytest.mark.benchmark
@pytest.mark.parametrize("shape", [(16, 5), (64, 32)])
@pytest.mark.parametrize("batch", [8, 256, 4096])
def test_linear(shape: tuple[int, int], batch: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, plain = torch.randn(batch, shape[0]), nn.Linear(*shape)
    ours = LinearInteger.from_float(plain, CONFIG)
    three = mase_loop.quantized(nn.Sequential(plain), [((8, 4),) * 3])[0]
    check_same(ours, three, x)
    found = medians({"torch": plain, "chop": ours, "three": three}, x, ROUNDS)
    ratio = report("linear", "x".join(map(str, shape)), batch, found)
    if batch == 256:
        assert ratio <= 3


@pytest.mark.benchmark
@pytest.mark.parametrize("channels", [(1, 4), (8, 8)])
@pytest.mark.parametrize("batch", [8, 256])
def test_conv1d(channels: tuple[int, int], batch: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, plain = torch.randn(batch, channels[0], 16), nn.Conv1d(*channels, 3, padding=1)
    ours = Conv1dInteger.from_float(plain, CONFIG)
    three = ThreeQuantizersConv1d(*channels, 3, padding=1)
    three.load_state_dict(plain.state_dict())
    check_same(ours, three, x)
    found = medians({"torch": plain, "chop": ours, "three": three}, x, ROUNDS // 2)
    report("conv1d", "x".join(map(str, channels)), batch, found)
