"""Arithmetic in graphs: quantized again and again, analysed, retraced, and back to float."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import QUANTIZEABLE_OP, find_row, is_number, quantizeable_op
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
)
from tests.ir.models import EIGHT, FLOAT, FOUR, Chain, Functional


class Arithmetic(nn.Module):
    """Every quantizable operation, numbers on both sides, operands by keyword, and sums of sizes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.grid = nn.Conv1d(1, 4, 3, padding=1), nn.Conv2d(1, 2, 3, padding=1)
        self.head = nn.Linear(64, 5)

    def forward(self, x):
        batch = x.size(0) * 1
        y = self.conv(x.view(batch, 1, -1)) + 1.3
        y = 0.7 - y
        y = torch.add(input=y, other=y, alpha=2)
        y = (y * 3).mul(y).relu()
        y = torch.matmul(y.transpose(1, 2), y) / math.sqrt(y.shape[-1] + 1)
        y = torch.bmm(y, mat2=y).sub(other=y)
        y = self.grid(y.unsqueeze(1)).mean(1)
        return self.head(torch.flatten(y[:, :4], 1))


NODES = ["conv", "add", "sub", "add_1", "mul_1", "mul_2", "relu", "matmul", "bmm", "sub_1", "grid", "head"]


def by_type(default=FLOAT, **rules):
    return {"by": "type", "default": {"config": default}, **{k: {"config": v} for k, v in rules.items()}}


@pytest.fixture
def x():
    return torch.randn(3, 16, generator=torch.Generator().manual_seed(1))


def analyse(graph, x):
    init_metadata_analysis_pass(graph)
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}})
    add_software_metadata_analysis_pass(graph)


def test_the_list_of_quantizable_operations():
    assert set(QUANTIZEABLE_OP) == {
        "add",
        "bmm",
        "conv1d",
        "conv2d",
        "matmul",
        "mul",
        "linear",
        "relu",
        "sub",
    }


def test_sizes_are_no_operands_to_quantize():
    graph = MaseGraph(Arithmetic())
    modules = graph.modules
    assert [node.name for node in graph.nodes if quantizeable_op(node, modules)] == NODES
    arithmetic = [n for n in graph.nodes if (row := find_row(n, modules)) and row.mase_op in ("add", "mul")]
    assert [node.name for node in arithmetic if is_number(node, modules)] == ["mul", "add_2"]


def test_quantize_analyse_quantize_again_and_back(x):
    model = Arithmetic().eval()
    graph = MaseGraph(model)
    analyse(graph, x)
    before = str(graph.fx_graph)
    outputs = []
    for config in (EIGHT, FOUR, EIGHT):
        _, info = quantize_transform_pass(graph, by_type(config))
        assert info == {"rules": dict.fromkeys(NODES, "default"), "left_float": []}
        outputs.append(graph.model(x))
        analyse(graph, x)
        assert torch.equal(graph.model(x), outputs[-1])
    assert torch.equal(outputs[0], outputs[2]) and not torch.equal(outputs[0], outputs[1])
    fresh, _ = quantize_transform_pass(MaseGraph(Arithmetic().eval()), by_type(EIGHT))
    assert torch.equal(fresh.model(x), outputs[0])
    quantize_transform_pass(graph, by_type())
    assert str(graph.fx_graph) == before and torch.equal(graph.model(x), model(x))


def test_metadata_of_the_operands(x):
    graph, _ = quantize_transform_pass(
        MaseGraph(Arithmetic()), by_type({**EIGHT, **FOUR, "data_in_width": 6})
    )
    analyse(graph, x)
    args = {node.name: node.meta["mase"]["common"]["args"] for node in graph.nodes}
    assert args["add"]["data_in_0"]["precision"] == [6, 2] and args["add"]["other"] == 1.3
    assert args["sub"]["data_in_0"]["precision"] == [6, 2] and args["sub"]["input"] == 0.7
    assert [args["add_1"][f"data_in_{i}"]["precision"] for i in (0, 1)] == [[6, 2], [6, 2]]
    for product in ("matmul", "bmm"):
        found = [args[product][f"data_in_{i}"]["precision"] for i in (0, 1)]
        assert found == [[6, 2], [4, 2]], "the second factor has the weight's format"
    assert args["grid"]["weight"]["precision"] == [4, 2] and args["grid"]["bias"]["type"] == "integer"
    assert args["truediv"]["data_in_0"]["precision"] == [32]


def test_a_quantized_model_can_be_traced_again_and_made_float(x):
    model = Arithmetic().eval()
    graph, _ = quantize_transform_pass(MaseGraph(model), by_type(EIGHT))
    again = MaseGraph(graph.model)
    assert [node.name for node in again.nodes] == [node.name for node in graph.nodes]
    assert torch.equal(again.model(x), graph.model(x))
    quantize_transform_pass(again, by_type())
    assert torch.equal(again.model(x), model(x)), "functions that do the same stand for the float calls"


def test_bypass_of_everything_is_the_float_model(x):
    model = Arithmetic().eval()
    graph, _ = quantize_transform_pass(MaseGraph(model), by_type({**EIGHT, "bypass": True}))
    assert torch.equal(graph.model(x), model(x))


def test_compile_train_and_pickle(x):
    graph, _ = quantize_transform_pass(MaseGraph(Arithmetic()), by_type(EIGHT))
    y = graph.model(x)
    y.square().sum().backward()
    assert all(p.grad is not None for p in graph.model.parameters())
    compiled = torch.compile(graph.model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), y, rtol=1e-4, atol=1e-4)


class InPlace(nn.Module):
    """Sums that write into a value which is read again, and one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))

    def forward(self, x):
        y = x.clone()
        z = y.add_(1.5)
        w = torch.add(y, z, out=torch.empty(2, 4))
        return F.linear(w * y, self.weight).mul_(2.5)


def test_nodes_without_a_quantized_form_are_one_warning(caplog):
    with caplog.at_level(logging.WARNING, "chop"):
        quantize_transform_pass(MaseGraph(Chain()), by_type(EIGHT))
        quantize_transform_pass(MaseGraph(Functional()), by_type(EIGHT, linear=FLOAT))
        assert not caplog.records
        graph = MaseGraph(InPlace())
        _, info = quantize_transform_pass(graph, by_type(EIGHT))
    assert [record.getMessage() for record in caplog.records] == [
        "quantize: these nodes have no quantized form and stay float: add, linear"
    ]
    assert info["left_float"] == ["add", "linear"]
    assert info["rules"] == {"add_": "default", "mul": "default", "mul_": "default"}
    x = torch.randn(2, 4)
    assert graph.model(x).shape == (2, 4)
    quantize_transform_pass(graph, by_type())
    assert torch.equal(graph.model(x), InPlace()(x))


def test_info_tells_which_rule_hit_which_node():
    graph = MaseGraph(Functional())
    config = {"by": "regex_name", "default": {"config": FLOAT}, r"relu(_\d)?": {"config": EIGHT}}
    _, info = quantize_transform_pass(graph, {**config, "fc1": {"config": FOUR}})
    assert info["left_float"] == []
    assert info["rules"] == {
        "fc1": "fc1",
        "relu": r"relu(_\d)?",
        "sub": "default",
        "relu_1": r"relu(_\d)?",
        "mul": "default",
        "add": "default",
        "relu_2": r"relu(_\d)?",
        "fc2": "default",
    }
