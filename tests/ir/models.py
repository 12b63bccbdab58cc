"""Small models that use every kind of node."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

EIGHT = {
    "name": "integer",
    "data_in_width": 8,
    "data_in_frac_width": 4,
    "weight_width": 8,
    "weight_frac_width": 4,
    "bias_width": 8,
    "bias_frac_width": 4,
}
FOUR = {**EIGHT, "data_in_width": 4, "data_in_frac_width": 2, "weight_width": 4, "weight_frac_width": 2}
FLOAT = {"name": None}


class Chain(nn.Module):
    """BatchNorm, ReLU, Linear, ReLU under ``seq_blocks``."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.seq_blocks = nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(16), nn.Linear(16, 5), nn.ReLU(5))

    def forward(self, x):
        return self.seq_blocks(x)


class Functional(nn.Module):
    """Two layers, arithmetic, and three spellings of ReLU."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.fc2, self.drop = nn.Linear(16, 16), nn.Linear(16, 5), nn.Dropout(0.5)

    def forward(self, x):
        a = F.relu(self.fc1(x))
        b = torch.relu(a - 0.5)
        relu = torch.mul(a, b)  # a value that is only called relu
        return self.fc2(self.drop((relu + x).relu()))


class Shared(nn.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(F.relu(self.fc(x)))


class Reshaping(nn.Module):
    """Convolutions, pools and reshapes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.pool, self.fc = (
            nn.Conv1d(1, 4, 3, padding=1),
            nn.AdaptiveAvgPool1d(4),
            nn.Linear(16, 5),
        )

    def forward(self, x):
        x = x.view(-1, 1, x.size(1))
        return self.fc(torch.flatten(self.pool(self.conv(x)), 1))
