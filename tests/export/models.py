"""Networks and configs that the export tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

OPERATIONS = ("linear", "conv1d", "conv2d", "relu", "add", "sub", "mul", "matmul")


def fixed(data: tuple[int, int], weight: tuple[int, int], **more: Any) -> dict[str, Any]:
    """An ``integer`` table of (width, fraction width)."""
    return {
        "name": "integer",
        "data_in_width": data[0],
        "data_in_frac_width": data[1],
        "weight_width": weight[0],
        "weight_frac_width": weight[1],
        **more,
    }


def config(
    data: tuple[int, int] = (8, 4),
    weight: tuple[int, int] = (8, 6),
    ops: tuple[str, ...] = ("linear", "conv1d", "conv2d"),
    **more: Any,
) -> dict[str, Any]:
    """A config that gives some operations one format and leaves the others in float."""
    table = fixed(data, weight, **more)
    return {"by": "type", "default": {"config": {"name": None}}, **{op: {"config": table} for op in ops}}


class Convolutions(nn.Module):
    """Groups, strides, padding, dilation, pools, residual add, concatenation, slices."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm, self.act = nn.BatchNorm2d(4), nn.Sequential(nn.ReLU6(), nn.ReLU())
        self.grouped = nn.Conv2d(4, 4, (3, 2), padding=(2, 1), dilation=(2, 2), groups=2)
        self.down = nn.Conv2d(4, 4, 1, stride=2, bias=False)
        self.pool, self.average = nn.MaxPool2d(2), nn.AvgPool2d(2)
        self.head = nn.Linear(4 * 4 * 4 + 8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.act(self.norm(self.first(x)))
        g = self.grouped(h) + h
        h = torch.cat([self.pool(g), self.average(h)], 1)[:, 2:6] + self.down(g)
        return self.head(torch.cat([h.flatten(1), h[:, 0, :2].reshape(-1, 8)], 1))


class Sequences(nn.Module):
    """A small Conv1d net with a linear layer on sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv1d(1, 4, 3, padding=1), nn.Conv1d(4, 6, 3, stride=2)
        self.mix, self.head = nn.Linear(7, 4), nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.mix(torch.relu(self.c2(torch.relu(self.c1(x.unsqueeze(1))))))
        return self.head(torch.flatten(h, 1))


class Chain(nn.Module):
    """Two Conv1d layers with padding and a stride, then a Linear: 906 products a row of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv1d(1, 4, 3, padding=1), nn.Conv1d(4, 6, 3, stride=2)
        self.head = nn.Linear(42, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.c2(torch.relu(self.c1(x.unsqueeze(1)))))
        return self.head(torch.flatten(h, 1))


class Grouped(nn.Module):
    """Conv1d layers with groups, dilation and a stride, and a pool with padding."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2)
        self.pool, self.c2 = nn.MaxPool1d(3, 2, padding=1), nn.Conv1d(6, 6, 2, stride=2, groups=6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.c2(self.pool(torch.relu(self.c1(x)))))


class Dense(nn.Module):
    """Linear layers with batch norms, before a ReLU and without one."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.n, self.b, self.m = (
            nn.Linear(6, 5),
            nn.BatchNorm1d(5),
            nn.Linear(5, 4),
            nn.BatchNorm1d(4),
        )
        self.c = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(self.m(self.b(torch.relu(self.n(self.a(x))))))


class _Block(nn.Module):
    """Two convolutions with batch norms beside a way around, and a ReLU behind their sum."""

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.c1, self.n1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False), nn.BatchNorm2d(outs)
        self.c2, self.n2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False), nn.BatchNorm2d(outs)
        self.around = nn.Conv2d(ins, outs, 1, stride) if ins != outs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.n1(self.c1(x)))
        return torch.relu(self.n2(self.c2(h)) + self.around(x))


class ResNet8(nn.Module):
    """The small residual network for images of 3 x 32 x 32: a stem, three blocks, an average, ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(_Block(16, 16, 1), _Block(16, 32, 2), _Block(32, 64, 2))
        self.average, self.head = nn.AvgPool2d(8), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.flatten(self.average(self.blocks(self.stem(x))), 1))


def trained(model: nn.Module, x: torch.Tensor, seed: int = 0) -> nn.Module:
    """The model in eval mode, with batch norms that have seen the data."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    model.train()
    with torch.no_grad():
        model(x)
    return model.eval()


def rows(count: int, *shape: int) -> torch.Tensor:
    """Rows that reach beyond the range of small formats, with exact ties and zeros among them."""
    random = np.random.default_rng(0)
    x = random.normal(0, 4, (count, *shape))
    x[::3] = np.rint(x[::3] * 8) / 8
    x[1::7] = 0.0
    return torch.from_numpy(x.astype(np.float32))
