"""What cannot be traced says where, why, and what to do; what can be traced says where it came from."""

from __future__ import annotations

import linecache
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop.ir.graph import MaseGraph
from chop.passes import add_common_metadata_analysis_pass
from chop.tools.errors import ConfigError


class Branch(nn.Module):
    def forward(self, x):
        if x.sum() > 0:  # the culprit
            return x
        return -x


class Loop(nn.Module):
    def forward(self, x):
        for row in x:  # the culprit
            x = x + row
        return x


class Length(nn.Module):
    def forward(net, x):
        return x * len(x)  # the culprit


class Number(nn.Module):
    def forward(self, x):
        return x * float(x.mean())  # the culprit


class Around(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) + 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Branch, "TraceError: symbolically traced variables cannot be used as inputs to control flow"),
        (Loop, "TraceError: Proxy object cannot be iterated"),
        (Length, "RuntimeError: 'len' is not supported in symbolic tracing by default"),
        (Number, r"TypeError: float\(\) argument must be a string or a real number, not 'Proxy'"),
    ],
)
def test_file_line_reason_and_the_way_out(kind, reason):
    with pytest.raises(
        ConfigError, match=rf"^torch\.fx cannot trace {kind.__name__} at .*{reason}; "
    ) as alone:
        MaseGraph(kind())
    with pytest.raises(ConfigError, match=rf"^torch\.fx cannot trace Around at .*{reason}; ") as inside:
        MaseGraph(Around(kind()))
    for caught in (alone, inside):
        message = str(caught.value)
        file, line = re.search(r" at (\S+):(\d+) `", message).groups()
        assert file == __file__ and linecache.getline(file, int(line)).strip().endswith("# the culprit")
        assert "cf_args={'name': value} (concrete_args of torch.fx)" in message and "\n" not in message
    assert "move this code into a module of its own and name it in MaseGraph(model, leaf_modules" in str(
        alone.value
    )
    assert f"leaf_modules=({kind.__name__},)" in str(inside.value)
    graph = MaseGraph(Around(kind()), leaf_modules=(kind,))  # the advice works
    x = torch.ones(2, 2)
    assert torch.equal(graph.model(x), Around(kind())(x))


class Misspelt(nn.Module):
    def forward(self, x):
        return F.linear(x, self.wieght)


def test_an_error_of_the_forward_itself_is_called_that():
    with pytest.raises(ConfigError, match=r"AttributeError: 'Misspelt' object has no attribute 'wieght'"):
        MaseGraph(Misspelt())
    with pytest.raises(ConfigError, match="this is an error of the forward itself"):
        MaseGraph(Misspelt())


def test_cf_args_must_be_arguments():
    with pytest.raises(ConfigError, match=r"cf_args: Branch has no argument 'X' .did you mean|it has: x"):
        MaseGraph(Branch(), cf_args={"X": 1})


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        x = self.fc(x)
        return torch.cat([x, x], 1)  # a call


def test_nodes_know_the_line_they_came_from():
    graph = MaseGraph(Two())
    places = {node.name: node.meta.get("chop_source") for node in graph.nodes}
    assert places["x"] is None and places["output"] is None
    file, line = places["cat"]
    assert file == __file__ and linecache.getline(file, line).strip().endswith("# a call")
    assert all("chop_source" not in node.meta for node in MaseGraph(nn.Sequential(nn.ReLU())).nodes)


def test_input_that_does_not_fit_names_the_node():
    expected = r"node fc \(.*test_tracing\.py:\d+\) fails on the example input: RuntimeError: mat1 and mat2"
    with pytest.raises(ConfigError, match=expected) as caught:
        add_common_metadata_analysis_pass(MaseGraph(Two()), {"dummy_in": {"x": torch.zeros(1, 5)}})
    assert "\n" not in str(caught.value)
