"""A net of functions, one of them its own: how an operation is added to the op table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.ir.graph.ops import register_op
from chop.models.toys.sizes import image_sizes_of


class CustomActivation(torch.autograd.Function):
    """Adds 0.001 going forward; the gradient passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x + 0.001

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def custom_activation(x: Tensor) -> Tensor:
    """Apply :class:`CustomActivation`; one node in a graph, because the op table knows it."""
    return CustomActivation.apply(x)


register_op("custom_activation", functions=[custom_activation])


class ToyCustomFnNet(nn.Module):
    """Every function that can be quantized (add, sub, mul, matmul, bmm, relu) and one of its own.

    Args:
        image_size: (channels, height, width).
        num_classes: features of the output.
        width: hidden features.
    """

    def __init__(self, image_size: Sequence[int], num_classes: int, width: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Linear(math.prod(image_size), width)
        self.fc2 = nn.Linear(width, num_classes)
        self.mix = nn.Parameter(torch.eye(width))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[rows, classes]`` of ``x [rows, …]``."""
        hidden = F.relu(self.fc1(torch.flatten(x, 1)))
        shifted = custom_activation(hidden)
        mixed = torch.matmul(torch.mul(hidden + shifted, 0.5), self.mix)
        rows = torch.sub(mixed, hidden * shifted).unsqueeze(1)
        products = torch.bmm(rows.transpose(1, 2), rows)
        return self.fc2(torch.relu(products.mean(dim=2)))


def get_toyfnnet(info: Any, pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Build :class:`ToyCustomFnNet` for a dataset; no weights ship for it."""
    return ToyCustomFnNet(*image_sizes_of(info))
