"""Models and rules for the tests of the redefine pass."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chop import MaseGraph
from chop.passes.graph import redefine_transform_pass
from chop.tools.errors import ConfigError


def rule(name: str | None, multiplier: float | None = None, parent: str | None = None) -> dict[str, Any]:
    """One entry of a config."""
    entries = {"name": name, "channel_multiplier": multiplier, "parent_block_name": parent}
    return {"config": {key: value for key, value in entries.items() if value is not None or key == "name"}}


LAB = {
    "by": "name",
    "default": rule(None),
    "seq_blocks_2": rule("output_only", 2),
    "seq_blocks_4": rule("both", 4, "seq_blocks_2"),
    "seq_blocks_6": rule("input_only", 4, "seq_blocks_4"),
}


class ConvNet(nn.Module):
    """Two convolutions with batch norms, a pool, a flattening and two linear layers; input [N, 3, 8, 8]."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(8, 4, 3, padding=1, groups=groups)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(4 * 16, 6)
        self.drop = nn.Dropout()
        self.last = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.second(self.act(self.norm(self.first(x)))))
        return self.last(self.drop(self.fc(torch.flatten(x, 1))))


class Residual(nn.Module):
    """A sum of two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(16, 8)
        self.branch = nn.Linear(8, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head(x + self.branch(x))


class Concatenated(nn.Module):
    """Two branches side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(16, 4)
        self.right = nn.Linear(16, 6)
        self.head = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([self.left(x), self.right(x)], dim=1))


class Signal(nn.Module):
    """Conv1d, batch norm, mean over the positions, linear; input [N, 2, 9]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 6, 3)
        self.norm = nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)).mean(dim=-1))


def widths_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Name -> channels of each layer that has any."""
    found: dict[str, tuple[int, ...]] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            found[name] = (layer.in_features, layer.out_features)
        elif isinstance(layer, (nn.Conv1d, nn.Conv2d)):
            found[name] = (layer.in_channels, layer.out_channels)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            found[name] = (layer.num_features,)
    return found


def redefined(model: nn.Module, **rules: Any) -> nn.Module:
    graph, _ = redefine_transform_pass(MaseGraph(model.eval()), {"config": rules})
    return graph.model


def refusal(model: nn.Module, **rules: Any) -> str:
    """The message; the graph must be left as it was, bit for bit."""
    graph = MaseGraph(model)
    before = {name: id(module) for name, module in graph.modules.items()}
    state = copy.deepcopy(graph.model.state_dict())
    text = str(graph.fx_graph)
    with pytest.raises(ConfigError) as error:
        redefine_transform_pass(graph, {"config": rules})
    assert before == {name: id(module) for name, module in graph.modules.items()}
    assert text == str(graph.fx_graph)
    assert all(torch.equal(state[name], value) for name, value in graph.model.state_dict().items())
    return str(error.value)
