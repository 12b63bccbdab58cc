"""What is evaluated: networks with random weights, random data, and how many rows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from tests.benchmarks.mase_loop import QUANTIZED

from . import images

CHAINS = {
    "tiny": (16, 5),
    "toy": (16, 16, 8, 5),
    "big": (16, 32, 16, 8, 5),
    "seven": (16, 64, 32, 32, 32, 32, 16, 5),
    "wide": (16, 512, 512, 512, 5),
}
WHAT = {name: "-".join(map(str, sizes)) for name, sizes in CHAINS.items()} | {
    "tiny": "BatchNorm, ReLU, Linear 16-5, ReLU",
    "conv1d": "two Conv1d of 8 channels on 16 positions, residual, Linear, sigmoid",
    "vgg": "six Conv2d of 16 to 64 channels on 32x32x3, three pools, Linear",
    "resnet8": "ResNet-8: three residual blocks of 16 to 64 channels on 32x32x3",
    "resnet18": "ResNet-18 with a 3x3 stem on 32x32x3",
    "mobilenet": "MobileNet of eight inverted blocks on 32x32x3",
}
ON_IMAGES = ("vgg", "resnet8", "resnet18", "mobilenet")
SIZES = [
    *((name, rows) for rows in (10_000, 166_000) for name in ("tiny", "toy", "big", "seven")),
    ("wide", 10_000),
    ("tiny", 830_000),
    ("conv1d", 10_000),
    ("vgg", 1_000),
    *((name, rows) for name in ("resnet8", "resnet18", "mobilenet") for rows in (1, 4, 8)),
    ("resnet8", 256),
    ("resnet18", 64),
    ("mobilenet", 128),
]
# Configurations in one pass where 64 of them would take minutes in all rounds.
FEWER_CONFIGS = {"wide": 8, "conv1d": 16} | dict.fromkeys(ON_IMAGES, 4)


@dataclass(frozen=True, eq=False)
class Case:
    """One model on one set of data; ``nodes`` are the names of its quantized layers in the traced graph."""

    name: str
    rows: int
    model: nn.Module
    x: Tensor
    y: Tensor
    classes: int
    nodes: tuple[str, ...]

    @property
    def layers(self) -> list[nn.Module]:
        return [layer for layer in self.model.modules() if isinstance(layer, QUANTIZED)]


class Residual1d(nn.Module):
    """Our guess at the convolutional model of the second lab: the features are 16 positions of one channel."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm1d(channels)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm1d(channels)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()  # PT2E refuses one that is called twice
        self.fc = nn.Linear(16 * channels, 5)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x.view(-1, 1, 16))))
        x = self.relu2(torch.add(x, self.bn2(self.conv2(x))))
        return self.sigmoid(self.fc(torch.flatten(x, 1)))


def chain(sizes: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = [nn.BatchNorm1d(sizes[0]), nn.ReLU()]
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    if len(sizes) == 2:
        del layers[3]  # tiny has no norm behind its layer
    return nn.Sequential(*layers)


def vgg() -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((3, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if a == b else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 4 * 4, 10))


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    **{name: lambda sizes=sizes: chain(sizes) for name, sizes in CHAINS.items()},
    "conv1d": Residual1d,
    "vgg": vgg,
    "resnet8": images.resnet8,
    "resnet18": images.resnet18,
    "mobilenet": images.mobilenet,
}


def build(name: str, rows: int, seed: int = 0) -> Case:
    """Make the case: random weights, and the statistics of its batch norms taken from a part of the data."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BUILDERS[name]()
        classes, shape = (10, (3, 32, 32)) if name in ON_IMAGES else (5, (16,))
        calibration = torch.randn(64, *shape) if rows < 64 else None
        x = torch.randn(rows, *shape)
        y = torch.randint(0, classes, (rows,))
    with torch.no_grad():
        norms = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
        for layer in norms:
            layer.momentum = None  # the statistics become those of the one batch
        model.train()(x[:4096] if calibration is None else calibration)
    return Case(name, rows, model.eval(), x, y, classes, nodes_of(model))


def nodes_of(model: nn.Module) -> tuple[str, ...]:
    """Return the node names of the quantized layers in a traced graph, in the order of ``modules()``."""
    traced = {str(node.target): node.name for node in torch.fx.symbolic_trace(model).graph.nodes}
    return tuple(traced[name] for name, layer in model.named_modules() if isinstance(layer, QUANTIZED))
