"""Random networks of what the core can train, with shared layers and residual additions."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn

ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    nn.ReLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.GELU,
    lambda: nn.GELU("tanh"),
    nn.SiLU,
    lambda: nn.LeakyReLU(0.1),
    nn.Hardtanh,
    nn.ReLU6,
    lambda: nn.ELU(0.7),
    nn.SELU,
    lambda: nn.CELU(0.5),
    nn.Softplus,
    nn.Mish,
    nn.LogSigmoid,
    nn.Softsign,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Identity,
    lambda: nn.Dropout(0.0),
)
JOINS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * torch.sigmoid(b),
    lambda a, b: 0.5 * a + (1.0 - b) / 2.0,
)


class RandomNetwork(nn.Module):
    """Layers of one width in a random order, some of them used twice, joined with what came before.

    Args:
        seed: decides everything.
        features, classes: sizes of the input and of the logits.
    """

    def __init__(self, seed: int, features: int = 7, classes: int = 5) -> None:
        super().__init__()
        choice = random.Random(seed)
        torch.manual_seed(seed)
        width = choice.randint(1, 20)
        self.flatten = nn.Flatten()
        self.first = nn.Linear(features, width, bias=choice.random() < 0.7)
        self.last = nn.Linear(width, classes, bias=choice.random() < 0.7)
        self.layers = nn.ModuleList()
        for _ in range(choice.randint(1, 6)):
            kind = choice.random()
            if kind < 0.3:
                self.layers.append(nn.Linear(width, width, bias=choice.random() < 0.5))
            elif kind < 0.55:
                self.layers.append(nn.BatchNorm1d(width, affine=choice.random() < 0.8, momentum=0.2))
            else:
                self.layers.append(choice.choice(ACTIVATIONS)())
        places = range(len(self.layers))
        self.plan = [
            (choice.choice(places), choice.random() < 0.4, choice.choice(JOINS))
            for _ in range(len(places) + 1)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Logits of features."""
        x = before = self.first(self.flatten(x))
        for place, joins, join in self.plan:
            after = self.layers[place](x)
            x, before = (join(after, before), after) if joins else (after, before)
        return self.last(x)
