"""Perceptrons on flattened input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from chop.models.toys.sizes import image_sizes_of


class MLP(nn.Module):
    """Linear layers with ReLUs between them, on input flattened to ``[rows, sizes[0]]``.

    Args:
        sizes: features of the input, of each hidden layer, and of the output.
        last_relu: whether a ReLU follows the last layer too.

    >>> MLP([16, 8, 5]).seq_blocks
    Sequential(
      (0): Linear(in_features=16, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=5, bias=True)
    )
    """

    def __init__(self, sizes: Sequence[int] = (784, 784, 3136, 10), last_relu: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.seq_blocks = nn.Sequential(*(layers if last_relu else layers[:-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[rows, classes]`` of ``x [rows, …]``."""
        return self.seq_blocks(x.view(x.size(0), -1))


class ToyNet(MLP):
    """Two hidden layers of 8.

    Args:
        image_size: (channels, height, width).
        num_classes: features of the output.
    """

    def __init__(self, image_size: Sequence[int], num_classes: int) -> None:
        super().__init__([math.prod(image_size), 8, 8, num_classes])


class ToyTiny(nn.Module):
    """One hidden layer of 2, a ReLU after each layer; layers named l1, relu_1, l2, relu_2.

    Args:
        image_size: (channels, height, width).
        num_classes: features of the output.
    """

    def __init__(self, image_size: Sequence[int], num_classes: int = 1) -> None:
        super().__init__()
        self.l1, self.relu_1 = nn.Linear(math.prod(image_size), 2), nn.ReLU()
        self.l2, self.relu_2 = nn.Linear(2, num_classes), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[rows, classes]`` of ``x [rows, …]``."""
        x = self.relu_1(self.l1(x.view(x.size(0), -1)))
        return self.relu_2(self.l2(x))


def get_toynet(info: Any, pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Build :class:`ToyNet` for a dataset; no weights ship for it."""
    return ToyNet(*image_sizes_of(info))


def get_toy_tiny(info: Any, pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Build :class:`ToyTiny` for a dataset; no weights ship for it."""
    return ToyTiny(*image_sizes_of(info))
