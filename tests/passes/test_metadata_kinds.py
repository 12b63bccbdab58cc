"""Metadata of every kind of layer, function and method, against what torch computes without a graph."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop.ir.graph import MaseGraph
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    verify_common_metadata_analysis_pass,
)

ROWS, SIGNAL, IMAGE = (4, 16), (4, 2, 8), (4, 2, 6, 6)


def analysed(model, x):
    graph, _ = init_metadata_analysis_pass(MaseGraph(model))
    name = next(str(node.target) for node in graph.nodes)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {name: x}})
    graph, _ = add_software_metadata_analysis_pass(graph, None)
    return verify_common_metadata_analysis_pass(graph)[0]


LAYERS = [
    (nn.Linear(16, 3), ROWS, "linear"),
    (nn.Conv1d(2, 3, 3, padding=1), SIGNAL, "conv1d"),
    (nn.Conv2d(2, 3, 3, bias=False), IMAGE, "conv2d"),
    (nn.BatchNorm1d(16), ROWS, "batch_norm1d"),
    (nn.BatchNorm1d(2), SIGNAL, "batch_norm1d"),
    (nn.BatchNorm2d(2), IMAGE, "batch_norm2d"),
    (nn.LayerNorm(16), ROWS, "layer_norm"),
    (nn.GroupNorm(2, 16), ROWS, "group_norm"),
    (nn.MaxPool1d(2), SIGNAL, "max_pool1d"),
    (nn.MaxPool2d(2), IMAGE, "max_pool2d"),
    (nn.AvgPool1d(2), SIGNAL, "avg_pool1d"),
    (nn.AvgPool2d(2), IMAGE, "avg_pool2d"),
    (nn.AdaptiveAvgPool1d(4), SIGNAL, "adaptive_avg_pool1d"),
    (nn.AdaptiveAvgPool2d(1), IMAGE, "adaptive_avg_pool2d"),
    (nn.AdaptiveMaxPool1d(4), SIGNAL, "adaptive_max_pool1d"),
    (nn.AdaptiveMaxPool2d(1), IMAGE, "adaptive_max_pool2d"),
    (nn.ReLU(inplace=True), ROWS, "relu"),
    (nn.ReLU6(), ROWS, "relu6"),
    (nn.LeakyReLU(0.1, inplace=True), ROWS, "leaky_relu"),
    (nn.Sigmoid(), ROWS, "sigmoid"),
    (nn.Tanh(), ROWS, "tanh"),
    (nn.Softmax(dim=1), ROWS, "softmax"),
    (nn.LogSoftmax(dim=1), ROWS, "log_softmax"),
    (nn.GELU(), ROWS, "gelu"),
    (nn.SiLU(inplace=True), ROWS, "silu"),
    (nn.Hardswish(), ROWS, "hardswish"),
    (nn.Hardsigmoid(), ROWS, "hardsigmoid"),
    (nn.Hardtanh(), ROWS, "hardtanh"),
    (nn.Flatten(), SIGNAL, "flatten"),
    (nn.Identity(), ROWS, "identity"),
    (nn.Dropout(0.5), ROWS, "dropout"),
    (nn.Threshold(0.0, 1.0), ROWS, "threshold"),  # no row of the table: the class's name
]


@pytest.mark.parametrize(("layer", "shape", "mase_op"), LAYERS, ids=[type(row[0]).__name__ for row in LAYERS])
def test_layers(layer, shape, mase_op):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = layer.eval()(x.clone())
    graph = analysed(nn.Sequential(layer), x)
    node = list(graph.nodes)[1]
    common = node.meta["mase"]["common"]
    assert common["mase_op"] == mase_op
    result = common["results"]["data_out_0"]
    assert torch.equal(result["value"], expected) and result["shape"] == list(expected.shape)
    assert torch.equal(common["args"]["data_in_0"]["value"], x), "in-place layers included"
    parameters = dict(layer.named_parameters())
    assert list(common["args"]) == ["data_in_0", *parameters]
    buffers = [name for name, _ in layer.named_buffers() if name != "num_batches_tracked"]
    assert list(node.meta["mase"]["software"]["args"]) == ["data_in_0", *parameters, *buffers]


def test_embedding():
    indices = torch.tensor([[0, 2], [1, 1]])
    graph = analysed(nn.Sequential(nn.Embedding(3, 5)), indices)
    common = list(graph.nodes)[1].meta["mase"]["common"]
    assert common["mase_op"] == "embedding" and common["args"]["weight"]["shape"] == [3, 5]
    assert common["args"]["data_in_0"]["type"] == "integer" and common["args"]["data_in_0"]["precision"] == [
        64,
        0,
    ]
    assert common["results"]["data_out_0"]["shape"] == [2, 2, 5]


class Calls(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(5, 16, generator=generator))
        self.bias = nn.Parameter(torch.randn(5, generator=generator))

    def forward(self, x):
        return self.function(self, x)


# function, and of the last call that computes: operation, arguments that are no tensors, inputs
FUNCTIONS = [
    (lambda m, x: F.linear(x, m.weight, m.bias), "linear", {}, 3),
    (lambda m, x: F.linear(x, m.weight), "linear", {}, 2),
    (lambda m, x: F.softmax(x, dim=1), "softmax", {"dim": 1, "dtype": None}, 1),
    (lambda m, x: F.softmax(x, 1), "softmax", {"dim": 1, "dtype": None}, 1),
    (lambda m, x: x.softmax(-1), "softmax", {"dim": -1}, 1),
    (lambda m, x: torch.cat([x, x], 1), "cat", {"dim": 1}, 2),
    (lambda m, x: torch.cat((x, x, x), dim=-1), "cat", {"dim": -1}, 3),
    (lambda m, x: x.mean(dim=1, keepdim=True), "mean", {"dim": 1, "keepdim": True}, 1),
    (lambda m, x: torch.mean(x, 0), "mean", {"dim": 0}, 1),
    (lambda m, x: x.unsqueeze(1), "unsqueeze", {"dim": 1}, 1),
    (lambda m, x: torch.squeeze(x, 0), "squeeze", {"dim": 0}, 1),
    (lambda m, x: x.reshape(-1, 8), "reshape", {"shape_0": -1, "shape_1": 8}, 1),
    (lambda m, x: x.view(x.shape[0], -1), "view", {"shape_0": 4, "shape_1": -1}, 0),
    (lambda m, x: x.transpose(0, 1), "transpose", {"dim0": 0, "dim1": 1}, 1),
    (lambda m, x: torch.permute(x, (1, 0)), "permute", {"dims_0": (1, 0)}, 1),
    (lambda m, x: x[:, 2:4], "getitem", {"index": (slice(None), slice(2, 4))}, 1),
    (lambda m, x: x.relu(), "relu", {}, 1),
    (lambda m, x: F.relu(x), "relu", {"inplace": False}, 1),
    (lambda m, x: torch.flatten(x, 0), "flatten", {"start_dim": 0}, 1),
    (lambda m, x: x.flatten(0), "flatten", {"start_dim": 0}, 1),
    (lambda m, x: x.relu() + x, "add", {}, 2),
    (lambda m, x: 1 + x, "add", {"input": 1}, 1),
    (lambda m, x: 1 - x, "sub", {"input": 1}, 1),
    (lambda m, x: x * x.size(1), "mul", {"other": 16}, 1),
    (lambda m, x: torch.matmul(x, m.weight.transpose(0, 1)), "matmul", {}, 2),
    (lambda m, x: x @ x.t(), "matmul", {}, 2),
    (
        lambda m, x: F.dropout(x, 0.5, m.training),
        "dropout",
        {"p": 0.5, "training": False, "inplace": False},
        1,
    ),
    (lambda m, x: F.conv1d(x.unsqueeze(1), m.weight.unsqueeze(1), None, 2), "conv1d", {"stride": 2}, 2),
    (lambda m, x: F.layer_norm(x, (16,)), "layer_norm", {"normalized_shape": (16,), "eps": 1e-5}, 1),
    (lambda m, x: torch.chunk(x, 2, 1)[-1], "getitem", {"index": -1}, 1),
    (lambda m, x: x.max(dim=1)[0], "getitem", {"index": 0}, 1),
    (lambda m, x: torch.einsum("ij,kj->ik", x, m.weight), "einsum", {"equation": "ij,kj->ik"}, 2),
]


@pytest.mark.parametrize(("function", "mase_op", "plain", "inputs"), FUNCTIONS)
def test_functions_and_methods(function, mase_op, plain, inputs):
    x = torch.randn(ROWS, generator=torch.Generator().manual_seed(1))
    model = Calls(function).eval()
    graph = analysed(model, x)
    node = [node for node in graph.nodes if node.op in ("call_function", "call_method")][-1]
    common = node.meta["mase"]["common"]
    assert common["mase_op"] == mase_op
    expected = model(x)
    assert torch.equal(common["results"]["data_out_0"]["value"], expected)
    tensors = {name for name in common["args"] if name.startswith("data_in_")}
    assert tensors == {f"data_in_{index}" for index in range(inputs)}
    rest = {n: v for n, v in common["args"].items() if n not in tensors and n not in ("weight", "bias")}
    assert rest == plain
    if inputs:
        data_in = common["args"]["data_in_0"]["value"]
        assert common["args"]["data_in_0"]["shape"] == list(data_in.shape)


def test_the_parts_of_a_chunk_are_told_apart():
    class Parts(nn.Module):
        def forward(self, x):
            small, large = x.split([4, 12], dim=1)
            return small.mean(dim=1) + large.mean(dim=1)

    x = torch.randn(ROWS)
    graph = analysed(Parts(), x)
    shapes = [
        node.meta["mase"]["common"]["args"]["data_in_0"]["shape"]
        for node in graph.nodes
        if node.name.startswith("getitem")
    ]
    assert shapes == [[4, 4], [4, 12]]
