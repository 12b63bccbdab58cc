"""Nodes that cannot be counted: named, left out, refused when asked; and what is counted without a rule of its own."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import chop
from chop import cost
from chop.tools.errors import ConfigError
from tests.evaluator.models import integer


class Spectrum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(9, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.fft.rfft(x).abs())


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x[x[:, 0] > 0])


def test_a_node_without_a_count_is_named_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "chop"):
        costs = cost.Costs(Spectrum(), 2, input_shapes=(16,))
    assert [record.message for record in caplog.records if "fft_rfft" in record.message] == [
        "cost: left out of the figures, since they cannot be counted: "
        "fft_rfft (fft_rfft: torch's aten._fft_r2c.default has no count)"
    ]
    found = costs.report()
    assert found["macs"].total == 2 * 45 and found["flops"].total == 2 * (9 + 45)
    assert found["macs"].left_out == ("fft_rfft",) and found["macs"].nodes["fft_rfft"] is None
    assert found["parameters"].left_out == () and found["activation_memory"].left_out == ()
    assert "left out of bitops" in str(found) and "fft_rfft (fft_rfft: torch's" in str(found)
    assert costs.evaluate() == pytest.approx(found.totals())


def test_strict_refuses_it() -> None:
    with pytest.raises(ConfigError, match=r"fft_rfft \(.*strict=False leaves them out"):
        cost.report(Spectrum(), 2, input_shapes=(16,), strict=True)
    assert cost.report(Spectrum(), 2, models=("parameters",), strict=True)["parameters"].total == 50


def test_a_shape_that_depends_on_numbers_needs_an_example() -> None:
    x = torch.tensor([[1.0] * 6, [-1.0] * 6, [2.0] * 6])
    found = cost.report(Masked(), x, models=("macs",))
    assert found["macs"].total == 2 * 24 and not found.left_out
    unknown = cost.report(Masked(), 3, input_shapes=(6,), models=("macs", "parameters"))
    assert set(unknown.left_out) == {"getitem_1", "fc"} and unknown["macs"].total == 0
    assert unknown["parameters"].total == 28


class Whole(nn.Module):
    """Parameters of its own, and functions without a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(6)), nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        return F.hardshrink(x * self.scale + self.shift) + torch.cumsum(x, 1).logsumexp(1, keepdim=True)


def test_parameters_of_one_s_own() -> None:
    found = cost.report(Whole(), 2, input_shapes=(6,), models=("parameters", "model_size", "flops"))
    assert found["parameters"].nodes["mul"] == 6 and found["parameters"].total == 12
    assert found["model_size"].total == 48 and not found.left_out
    flops: Any = found["flops"].nodes
    assert [flops[n] for n in ("mul", "add", "hardshrink", "cumsum", "add_1")] == [12] * 5


@pytest.mark.parametrize(
    ("layer", "shape", "work"),
    [
        (nn.RMSNorm(6), (3, 6), 4 * 18),
        (nn.InstanceNorm2d(3, affine=True), (3, 4, 5), 5 * 60),
        (nn.GroupNorm(3, 6), (6, 4), 5 * 24),
        (nn.LayerNorm(6), (3, 6), 5 * 18),
        (nn.BatchNorm3d(2), (2, 3, 3, 3), 4 * 54),
        (nn.PReLU(6), (6, 4), 24),
        (nn.Softplus(), (6,), 6),
        (nn.MaxPool3d(2), (2, 4, 4, 4), 16 * 8),
        (nn.AvgPool2d((2, 3)), (2, 4, 6), 2 * 2 * 2 * 6),
        (nn.AdaptiveAvgPool2d(2), (2, 4, 6), 48),
        (nn.Upsample(scale_factor=2), (2, 3, 3), 0),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 3), 4 * 72),
        (nn.Upsample(size=7, mode="linear"), (2, 3), 2 * 14),
        (nn.Flatten(), (2, 3), 0),
        (nn.Dropout(), (6,), 0),
        (nn.Hardshrink(), (6,), 6),
        (nn.Softmin(1), (6,), 6 + 5 * 6),
    ],
)
def test_work_of_layers(layer: nn.Module, shape: tuple[int, ...], work: float) -> None:
    found = cost.report(nn.Sequential(layer), 1, input_shapes=shape, models=("flops", "parameters"))
    assert found.totals() == {"flops": work, "parameters": sum(p.numel() for p in layer.parameters())}
    assert not found.left_out


def test_bilinear_and_bags() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag, self.mix = nn.EmbeddingBag(10, 3), nn.Bilinear(3, 4, 5)

        def forward(self, words: Tensor, y: Tensor) -> Tensor:
            return self.mix(self.bag(words), y)

    x = (torch.zeros(2, 7, dtype=torch.int64), torch.zeros(2, 4))
    found = cost.report(Net(), x, models=("flops", "macs", "parameters"))
    assert found["flops"].nodes["bag"] == 2 * 7 * 3 and found["macs"].total == 2 * 5 * 12
    assert found["flops"].nodes["mix"] == 2 * 5 * 12 + 2 * 12  # the products of the inputs, once a row
    assert found["parameters"].total == 30 + 60 + 5


@pytest.mark.parametrize(("kind", "others"), [(nn.LSTM, 9), (nn.GRU, 7), (nn.RNN, 1)])
def test_work_of_recurrent_layers(kind: Any, others: int) -> None:
    gates = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}[kind]
    layer = nn.Sequential(kind(3, 4, batch_first=True, bidirectional=True))
    found = cost.report(layer, 2, input_shapes=(5, 3), models=("flops", "macs", "flops_with_bias"))
    rows = 2 * 5 * 2
    assert found["macs"].total == rows * gates * 4 * (3 + 4)
    assert found["flops"].total == found["macs"].total + rows * 4 * others
    assert found["flops_with_bias"].total == found["flops"].total + 2 * rows * gates * 4


def test_a_sweep_judges_by_the_costs_of_such_a_model(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    ev = chop.Evaluator(Spectrum(), torch.randn(12, 16), torch.randint(0, 5, (12,)))
    configs = [
        {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": integer(w, 2)}}
        for w in (3, 6)
    ]
    with caplog.at_level(logging.WARNING, "chop.cost"):
        report = chop.search.sweep(ev, configs, {"accuracy": "maximize", "bops": "minimize"})
    assert len(report.front) >= 1
    assert sum("left out" in record.message for record in caplog.records) == 1
