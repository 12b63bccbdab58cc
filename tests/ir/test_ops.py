"""The op table: operations come from targets, never from names."""

from __future__ import annotations

import operator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import (
    KNOWN_OPS,
    OP_ROWS,
    QUANTIZEABLE_OP,
    find_row,
    function_name,
    function_of,
    known_module_class,
    mase_type_and_op,
    quantizeable_op,
    register_op,
)
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
    with pytest.raises(
        ConfigError, match=r"node .*erfcx.* \(.*test_ops\.py:\d+\): no operation is known.*register_op"
    ):
        mase_type_and_op(node, graph.modules)


def test_no_target_belongs_to_two_rows():
    for attribute in ("modules", "functions", "methods"):
        targets = [target for row in OP_ROWS for target in getattr(row, attribute)]
        assert len(targets) == len(set(targets)), attribute
    operations = {row.mase_op for row in OP_ROWS}
    assert len(operations) == len(OP_ROWS) and operations <= KNOWN_OPS
    assert set(QUANTIZEABLE_OP) <= KNOWN_OPS


def test_every_function_and_class_of_the_table_has_a_name_of_its_own():
    for row in OP_ROWS:
        assert all(function_of(function_name(function)) is function for function in row.functions), (
            row.mase_op
        )
        names = [f"{kind.__module__}.{kind.__qualname__}" for kind in row.modules]
        assert [known_module_class(name) for name in names] == list(row.modules)


def doubled_of_mine(x):
    return x * 2


class DoubledOfMine(nn.Module):
    def forward(self, x):
        return doubled_of_mine(x)


def test_a_registered_function_is_one_node():
    before = [node.op for node in MaseGraph(DoubledOfMine()).nodes]
    assert before == ["placeholder", "call_function", "output"]
    register_op("doubled_of_mine", functions=[doubled_of_mine])
    graph = MaseGraph(DoubledOfMine())
    assert kinds(graph)["doubled_of_mine"] == ("module_related_func", "doubled_of_mine")
    assert torch.equal(graph.model(torch.ones(2)), torch.full((2,), 2.0))


class RegisteredBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(x) if x.sum() > 0 else x  # cannot be traced into


def test_a_registered_class_is_one_node_and_a_leaf_needs_no_row():
    leaf = MaseGraph(nn.Sequential(RegisteredBlock()), leaf_modules=(RegisteredBlock,))
    assert kinds(leaf)["_0"] == ("module", "registered_block")
    register_op("block_of_mine", "module", modules=[RegisteredBlock])
    assert kinds(MaseGraph(nn.Sequential(RegisteredBlock())))["_0"] == ("module", "block_of_mine")


class Linear(nn.Module):
    def forward(self, x):
        return x


def test_a_class_that_is_only_called_linear_is_not_linear():
    graph = MaseGraph(nn.Sequential(Linear()), leaf_modules=(Linear,))
    assert kinds(graph)["_0"] == ("module", "custom_linear")


def test_another_spelling_of_a_known_operation():
    register_op("relu", methods=["relu_of_mine"])
    graph = torch.fx.Graph()
    node = graph.call_method("relu_of_mine", (graph.placeholder("x"),))
    assert mase_type_and_op(node, {}) == ("module_related_func", "relu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mase_op": "a", "mase_type": "modul", "methods": ["a"]}, "mase_type must be one of"),
        ({"mase_op": "a"}, "'a' needs modules, functions or methods"),
        ({"mase_op": "a", "functions": [F.relu]}, "is operation 'relu' already"),
        ({"mase_op": "a", "methods": ["view"]}, "view is operation 'view' already"),
    ],
)
def test_bad_registrations(arguments, message):
    with pytest.raises(ConfigError, match=message):
        register_op(**arguments)
    assert "a" not in KNOWN_OPS


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
