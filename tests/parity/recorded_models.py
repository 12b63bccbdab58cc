"""The recorded models that are no plain chain of layers."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Conv1dResidual(nn.Module):
    """Two convolutions with a residual add on 1 x 16 input, pool, Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(1, 4, 3, padding=1), nn.BatchNorm1d(4)
        self.conv2 = nn.Conv1d(4, 4, 3, padding=1, bias=False)
        self.relu, self.pool, self.fc = nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Linear(16, 5)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x.view(-1, 1, 16))))
        y = self.conv2(x)
        x = F.relu(torch.add(x, y))
        return self.fc(torch.flatten(self.pool(x), 1))


class Functional(nn.Module):
    """Arithmetic of functions and operators between three Linears."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 5)
        self.drop = nn.Dropout()

    def forward(self, x):
        a, b = self.fc1(x), self.fc2(x)
        d = torch.sub(a, torch.mul(a, b))
        return self.fc3(self.drop(F.relu(d + b, inplace=False)))


RECORDED = {"conv1d-residual": Conv1dResidual, "functional": Functional}


def load_state(model: nn.Module, arrays) -> nn.Module:
    """Give a model the recorded weights; eval mode."""
    state = {key[3:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("sd.")}
    model.load_state_dict(state)
    return model.eval()
