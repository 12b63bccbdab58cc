"""The verify pass accepts what the metadata passes write and names what is wrong."""

from __future__ import annotations

import pytest
import torch

from chop.ir.graph import MaseGraph
from chop.passes import (
    add_common_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
    verify_common_metadata_analysis_pass,
)
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, FLOAT, Chain, Functional, Reshaping, Shared


def analysed(model):
    x = torch.randn(3, 4 if isinstance(model, Shared) else 16)
    graph, _ = add_common_metadata_analysis_pass(MaseGraph(model.eval()), {"dummy_in": {"x": x}})
    return graph


@pytest.mark.parametrize("kind", [Chain, Functional, Reshaping, Shared])
def test_right_before_and_after_quantizing(kind):
    graph = analysed(kind())
    assert verify_common_metadata_analysis_pass(graph, None) == (graph, {})
    floor = {**EIGHT, "data_in_rounding": "floor", "weight_overflow": "wrap"}
    for config in (EIGHT, floor, FLOAT, floor, EIGHT, {**EIGHT, "bypass": True}):
        quantize_transform_pass(graph, {"by": "type", "default": {"config": config}})
        verify_common_metadata_analysis_pass(graph)


def change(name, *path, value):
    def do(graph):
        found = next(node for node in graph.nodes if node.name == name).meta["mase"]["common"]
        for key in path[:-1]:
            found = found[key]
        found[path[-1]] = value

    return do


def swap_module(graph):
    graph.model.seq_blocks.add_module("2", torch.nn.Linear(16, 7))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (init_metadata_analysis_pass, "node x: common metadata lack mase_type, mase_op, args, results"),
        (
            change("seq_blocks_2", "mase_op", value="relu"),
            "seq_blocks_2: is module_related_func relu, the graph",
        ),
        (change("seq_blocks_2", "results", value={}), "seq_blocks_2: has no result data_out_0"),
        (
            change("seq_blocks_1", "results", "data_out_0", "shape", value=[1]),
            r"data_in_0 has shape \[3, 16\], node seq_blocks_1 gives \[1\]",
        ),
        (
            change("seq_blocks_2", "args", value={}),
            "seq_blocks_2: lacks data_in_0.*lacks the parameter weight",
        ),
        (
            change("seq_blocks_2", "args", "weight", "precision", value=[8, 4]),
            r"weight.precision is \[8, 4\], the graph computes with \[32\]",
        ),
        (
            change("seq_blocks_2", "args", "weight", "precision", value=8),
            "weight.precision must be a list, got 8",
        ),
        (swap_module, r"weight has shape \[5, 16\], the module has \[7, 16\]"),
        (lambda graph: graph.meta.clear(), "graph: common metadata lack nodes_in; graph: .* lack nodes_out"),
    ],
)
def test_wrong_metadata_are_named(spoil, message):
    graph = analysed(Chain())
    spoil(graph)
    with pytest.raises(ConfigError, match=message):
        verify_common_metadata_analysis_pass(graph)


def test_many_faults_are_counted():
    graph, _ = init_metadata_analysis_pass(MaseGraph(Functional()))
    with pytest.raises(ConfigError, match=r"; and \d+ more$"):
        verify_common_metadata_analysis_pass(graph)
