"""The op table: operations come from targets, never from names."""

from __future__ import annotations

import operator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import KNOWN_OPS, OP_ROWS, QUANTIZEABLE_OP, find_row, mase_type_and_op, quantizeable_op
from chop.passes import quantize_transform_pass
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, Functional, Reshaping


def kinds(graph):
    return {node.name: tuple(mase_type_and_op(node, graph.modules)) for node in graph.nodes}


def test_functional_model():
    found = kinds(MaseGraph(Functional()))
    assert found["fc1"] == ("module_related_func", "linear")
    assert found["relu"] == found["relu_1"] == found["relu_2"] == ("module_related_func", "relu")
    assert found["sub"] == ("builtin_func", "sub") and found["mul"] == ("builtin_func", "mul")
    assert found["add"] == ("builtin_func", "add") and found["drop"] == ("module_related_func", "dropout")
    assert found["x"] == ("placeholder", "placeholder") and found["output"] == ("output", "output")


def test_reshaping_model():
    found = kinds(MaseGraph(Reshaping()))
    assert found["conv"][1] == "conv1d" and found["pool"][1] == "adaptive_avg_pool1d"
    assert [found[name] for name in ("view", "size", "flatten")] == [
        ("implicit_func", name) for name in ("view", "size", "flatten")
    ]


def test_a_misleading_name_does_not_matter():
    graph = MaseGraph(nn.Sequential(nn.Linear(2, 2)))
    node = list(graph.nodes)[1]
    node.name = "relu"
    assert mase_type_and_op(node, graph.modules).mase_op == "linear"


def test_quantized_nodes_keep_their_operation():
    graph = MaseGraph(Functional())
    before = kinds(graph)
    quantize_transform_pass(graph, {"by": "type", "default": {"config": EIGHT}})
    assert kinds(graph) == before
    assert kinds(MaseGraph(graph.model)) == before


def test_unknown_operation_is_one_clear_error():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.special.erfcx(x)

    graph = MaseGraph(Odd())
    node = list(graph.nodes)[1]
    assert find_row(node, graph.modules) is None
    with pytest.raises(ConfigError, match=r"node .*erfcx.*no operation is known"):
        mase_type_and_op(node, graph.modules)


def test_no_target_belongs_to_two_rows():
    for attribute in ("modules", "functions", "methods"):
        targets = [target for row in OP_ROWS for target in getattr(row, attribute)]
        assert len(targets) == len(set(targets)), attribute
    assert len(KNOWN_OPS) == len(OP_ROWS)
    assert set(QUANTIZEABLE_OP) <= KNOWN_OPS


@pytest.mark.parametrize(
    ("target", "mase_op"),
    [
        (operator.add, "add"),
        (torch.matmul, "matmul"),
        (torch.bmm, "bmm"),
        (F.relu, "relu"),
        (torch.relu_, "relu"),
    ],
)
def test_functions(target, mase_op):
    graph = torch.fx.Graph()
    node = graph.call_function(target, (graph.placeholder("x"),))
    assert mase_type_and_op(node, {}).mase_op == mase_op


class OtherLinear(nn.Linear):
    __module__ = "torch.nn.other"  # a leaf to torch.fx, as its own relatives of Linear are


def test_relatives_of_linear_are_known_but_not_replaced():
    graph = MaseGraph(nn.Sequential(OtherLinear(2, 2)))
    node = list(graph.nodes)[1]
    assert mase_type_and_op(node, graph.modules).mase_op == "linear"
    assert quantizeable_op(node, graph.modules) is None
    with pytest.raises(ConfigError, match="node _0 is a OtherLinear"):
        quantize_transform_pass(graph, {"by": "name", "default": {"config": EIGHT}, "_0": {"config": EIGHT}})
