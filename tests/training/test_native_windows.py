"""Convolutions and pools of the core against torch.autograd, in float64."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chop.training import NativeTrainer
from tests.training.test_native_gradients import assert_gradients_equal


def images(rows: int, *shape: int, classes: int = 4) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rows)
    return torch.randn(rows, *shape, dtype=torch.float64), torch.randint(0, classes, (rows,))


def classifier(*layers: nn.Module, classes: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(classes))


def check(model: nn.Module, rows: int, *shape: int, accumulate: int = 1) -> None:
    x, y = images(rows, *shape)
    model(x[:2].float())  # gives lazy layers their sizes
    assert_gradients_equal(model, x, y, accumulate)


CONVOLUTIONS = {
    "plain": nn.Conv2d(3, 5, 3),
    "same": nn.Conv2d(3, 5, 3, padding="same"),
    "even kernel, same": nn.Conv2d(3, 5, 4, padding="same", bias=False),
    "one by one": nn.Conv2d(3, 17, 1),
    "one by one, stride": nn.Conv2d(3, 9, 1, stride=2, bias=False),
    "stride": nn.Conv2d(3, 8, 3, stride=2, padding=1),
    "stride beyond the kernel": nn.Conv2d(3, 4, 2, stride=3),
    "dilation": nn.Conv2d(3, 6, 3, dilation=2, padding=2),
    "dilation and stride": nn.Conv2d(3, 6, 3, dilation=2, stride=2, padding=1),
    "three by two": nn.Conv2d(3, 2, (3, 2), stride=(1, 3), padding=(2, 1), dilation=(1, 2)),
    "wide padding": nn.Conv2d(3, 2, 2, padding=4),
    "depthwise": nn.Conv2d(3, 3, 3, padding=1, groups=3),
    "depthwise, two each": nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3, bias=False),
    "whole image": nn.Conv2d(3, 40, (7, 9)),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_each_convolution(kind: str) -> None:
    # A layer before it, so that gradients of its input are compared too.
    check(classifier(nn.Conv2d(3, 3, 1), CONVOLUTIONS[kind], nn.ReLU()), 37, 3, 7, 9)


# With 24 channels and more, tiles of 2x2 results: sizes that are whole tiles and not, and every padding that has them.
@pytest.mark.parametrize(
    ("ins", "outs", "size", "padding"),
    [
        (24, 24, (6, 8), 1),
        (24, 32, (7, 5), 1),
        (25, 27, (8, 9), 0),
        (26, 33, (5, 4), 2),
        (24, 24, (3, 3), (0, 2)),
        (24, 24, (1, 2), 1),
        (64, 65, (9, 8), "same"),
        (24, 24, (33, 40), 1),
    ],
)
def test_convolutions_by_tiles(ins: int, outs: int, size: tuple[int, int], padding: Any) -> None:
    conv = nn.Conv2d(ins, outs, 3, padding=padding, bias=outs % 2 == 0)
    check(classifier(nn.Conv2d(2, ins, 1), conv, nn.ReLU(), nn.AdaptiveAvgPool2d(2)), 18, 2, *size)


def test_gradients_of_tiles_are_added_to_those_of_a_shortcut() -> None:
    for width in (12, 25):
        assert_gradients_equal(residual_network(width=width), *images(20, 3, 8, 8))


def test_groups_of_several_channels() -> None:
    check(classifier(nn.Conv2d(6, 4, 3, padding=1), nn.Conv2d(4, 10, 3, groups=2), nn.Tanh()), 20, 6, 6, 6)


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 3}, {"dilation": 3, "groups": 2}])
def test_convolutions_of_one_dimension(options: dict[str, int]) -> None:
    check(classifier(nn.Conv1d(4, 4, 1), nn.ReLU(), nn.Conv1d(4, 6, 3, **options), nn.ReLU()), 33, 4, 17)


POOLS = {
    "max": nn.MaxPool2d(2),
    "max, overlapping": nn.MaxPool2d(3, stride=2, padding=1),
    "max, ceil": nn.MaxPool2d(3, stride=2, ceil_mode=True),
    "max, dilated": nn.MaxPool2d((2, 3), stride=1, dilation=2, padding=(1, 0)),
    "average": nn.AvgPool2d(2),
    "average, margins counted": nn.AvgPool2d(3, stride=2, padding=1),
    "average, margins left out": nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    "average, ceil": nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True),
    "average, divisor": nn.AvgPool2d((2, 3), divisor_override=5),
    "adaptive average to one": nn.AdaptiveAvgPool2d(1),
    "adaptive average": nn.AdaptiveAvgPool2d((3, 4)),
    "adaptive max": nn.AdaptiveMaxPool2d((3, 2)),
}


@pytest.mark.parametrize("kind", POOLS)
def test_each_pool(kind: str) -> None:
    check(classifier(nn.Conv2d(3, 5, 3, padding=1), POOLS[kind]), 21, 3, 7, 9)


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(3, 2, 1), nn.AdaptiveAvgPool1d(4), nn.AdaptiveMaxPool1d(5)],
    ids=lambda pool: type(pool).__name__,
)
def test_each_pool_of_one_dimension(pool: nn.Module) -> None:
    check(classifier(nn.Conv1d(2, 3, 3), pool), 21, 2, 13)


def test_the_first_of_equal_numbers_gets_the_gradient_of_their_maximum() -> None:
    # After a ReLU most windows hold several zeros.
    check(classifier(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1)), 64, 1, 8, 8)


class Reduced(nn.Module):
    """Means and sums over the last dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(2, 6, 3), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        x = self.conv(x)
        return self.last(x.mean((2, 3)) + x.sum(-1).mean(-1, keepdim=True).flatten(1))


def test_reductions() -> None:
    torch.manual_seed(0)
    assert_gradients_equal(Reduced(), *images(19, 2, 6, 5))


class Residual(nn.Module):
    """A block of a residual network, with batch norms."""

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(outs, outs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outs), nn.BatchNorm2d(outs)])
        self.short: nn.Module = nn.Identity()
        if stride > 1 or ins != outs:
            self.short = nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))

    def forward(self, x: Tensor) -> Tensor:
        """Images of other images."""
        inner = torch.relu(self.norms[0](self.one(x)))
        return torch.relu(self.norms[1](self.two(inner)) + self.short(x))


def residual_network(channels: int = 3, width: int = 4, classes: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        Residual(width, width, 1),
        Residual(width, 2 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, classes),
    )


@pytest.mark.parametrize(("rows", "accumulate"), [(5, 1), (16, 1), (50, 1), (300, 1), (60, 3)])
def test_residual_networks(rows: int, accumulate: int) -> None:
    assert_gradients_equal(residual_network(), *images(rows, 3, 8, 8), accumulate)


@pytest.mark.parametrize("seed", range(12))
def test_random_convolutions(seed: int) -> None:
    choice = random.Random(seed)
    groups = choice.choice([1, 1, 2, 4])
    pair = lambda low, high: (choice.randint(low, high), choice.randint(low, high))  # noqa: E731
    conv = nn.Conv2d(
        4 * choice.randint(1, 5),
        groups * choice.randint(1, 11),
        pair(1, 4),
        stride=pair(1, 3),
        padding=pair(0, 4),
        dilation=pair(1, 2),
        groups=groups,
        bias=choice.random() < 0.5,
    )
    model = classifier(nn.Conv2d(2, conv.in_channels, 1), conv, nn.Sigmoid())
    check(model, choice.randint(2, 40), 2, choice.randint(7, 12), choice.randint(7, 12))


def test_the_result_does_not_depend_on_threads() -> None:
    x, y = images(70, 3, 32, 32)
    found = []
    for threads in (1, 2, 5):
        trainer = NativeTrainer(residual_network(width=16), x.float(), y, threads=threads)
        for _ in range(2):
            trainer.epoch(64, 1e-3)
        found.append(trainer.snapshot())
    for other in found[1:]:
        assert all(torch.equal(value, other[name]) for name, value in found[0].items())


def test_circular_padding_is_refused() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.Linear(32, 2)
    )
    assert NativeTrainer.why_not(model, (1, 4, 4)) == (
        "training: node _0 (conv2d) pads with padding_mode 'circular', the core pads with zeros: "
        "engine 'lightning' trains it"
    )
