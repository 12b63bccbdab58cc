"""add_flops_bitops_analysis_pass under its three definitions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from chop.ir.graph import MaseGraph
from chop.passes import quantize_transform_pass
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    add_flops_bitops_analysis_pass,
    init_metadata_analysis_pass,
)
from chop.passes.graph.analysis import add_flops_bitops_analysis_pass as under_analysis
from tests.evaluator.models import by_type, integer


def graph(batch: int) -> MaseGraph:
    mg = MaseGraph(nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5), nn.ReLU()).eval())
    mg, _ = init_metadata_analysis_pass(mg, None)
    mg, _ = add_common_metadata_analysis_pass(mg, {"dummy_in": {"input": torch.zeros(batch, 16)}})
    return mg


@pytest.mark.parametrize(
    ("definition", "batch", "quantized", "flops", "bitops"),
    [
        (None, 8, False, 1320, 42240),
        ("mase", 8, True, 680, 26880),
        ("arithmetic", 8, True, 1833, 79680),
        ("arithmetic", 512, True, 117249, 5099520),
        ("with_bias", 8, False, 1360, 43520),
    ],
)
def test_figures(definition: str | None, batch: int, quantized: bool, flops: int, bitops: int) -> None:
    mg = graph(batch)
    if quantized:
        mg, _ = quantize_transform_pass(mg, by_type(linear=integer(8, 4)))
    arguments = {} if definition is None else {"definition": definition}
    same, found_flops, found_bitops, breakdown = add_flops_bitops_analysis_pass(mg, arguments)
    assert same is mg and (found_flops, found_bitops) == (flops, bitops)
    assert sum(row["flops"] for row in breakdown.values()) == flops
    assert sum(row["bitops"] for row in breakdown.values()) == bitops
    assert type(found_flops) is int and type(found_bitops) is int
    assert [row["op"] for row in breakdown.values()] == ["batch_norm1d", "relu", "linear", "relu"]


def test_breakdown_by_node() -> None:
    *_, breakdown = add_flops_bitops_analysis_pass(graph(8))
    assert {name: row["flops"] for name, row in breakdown.items()} == {
        "_0": 512,
        "_1": 128,
        "_2": 640,
        "_3": 40,
    }
    *_, breakdown = add_flops_bitops_analysis_pass(graph(8), {"definition": "with_bias"})
    assert breakdown["_2"]["flops"] == 680
    *_, breakdown = add_flops_bitops_analysis_pass(graph(8), {"definition": "arithmetic"})
    assert {name: row["flops"] for name, row in breakdown.items()} == {
        "_0": 1025,
        "_1": 128,
        "_2": 640,
        "_3": 40,
    }


def test_arguments() -> None:
    arguments = {"definition": "mase", "batch": 2}
    assert add_flops_bitops_analysis_pass(graph(8), arguments)[1] == 330
    assert arguments == {"definition": "mase", "batch": 2}
    with pytest.raises(ValueError, match="did you mean 'arithmetic'"):
        add_flops_bitops_analysis_pass(graph(8), {"definition": "aritmetic"})
    with pytest.raises(ValueError, match=r"add_flops_bitops\.definitions is not known"):
        add_flops_bitops_analysis_pass(graph(8), {"definitions": "mase"})
    with pytest.raises(ValueError, match="pass 'batch'"):
        add_flops_bitops_analysis_pass(MaseGraph(nn.Sequential(nn.Linear(2, 2))))
    for batch in (0, "8", 2.5, True):
        with pytest.raises(ValueError, match="batch must be a whole number from 1 on"):
            add_flops_bitops_analysis_pass(graph(8), {"batch": batch})
    assert under_analysis is add_flops_bitops_analysis_pass
