"""How a graph reads in a terminal and in a notebook."""

from __future__ import annotations

import torch
from torch import nn

import chop
from chop.ir.graph.summary import SHOWN, node_rows
from chop.passes import (
    add_common_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
)

FORMATS = {
    f"{operand}_{part}": n
    for operand in ("data_in", "weight", "bias")
    for part, n in (("width", 8), ("frac_width", 4))
}


class Sum(nn.Module):
    """A layer, a function, and a function that the op table does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.i0e(torch.add(self.fc(x), x))


def test_rows_of_a_quantized_graph() -> None:
    config = {
        "by": "type",
        "default": {"config": {"name": None}},
        "linear": {"config": {"name": "integer", **FORMATS}},
        "add": {"config": {"name": "integer", "data_in_width": 6, "data_in_frac_width": 3}},
    }
    mg, _ = quantize_transform_pass(chop.MaseGraph(nn.Sequential(nn.Linear(4, 3), nn.ReLU())), config)
    rows = {row.name: row for row in node_rows(mg)}
    assert rows["_0"].formats == "data_in 8.4, weight 8.4, bias 8.4" and rows["_0"].result == "4 → 3"
    assert rows["_1"] == ("_1", "relu", "", "", ("_0",))


def test_shapes_are_there_after_the_metadata_pass() -> None:
    mg, _ = init_metadata_analysis_pass(chop.MaseGraph(nn.Sequential(nn.Linear(4, 3))))
    mg, _ = add_common_metadata_analysis_pass(mg, {"dummy_in": {"input": torch.randn(2, 4)}})
    assert [row.result for row in node_rows(mg)] == ["[2, 4]", "[2, 3]", "[2, 3]"]


def test_an_unknown_function_is_named_as_it_is() -> None:
    operations = [row.operation for row in node_rows(chop.MaseGraph(Sum()))]
    assert operations[:3] == ["placeholder", "linear", "add"] and "i0e" in operations[3]


def test_text_and_html() -> None:
    mg = chop.MaseGraph(nn.Sequential(nn.Linear(4, 3)))
    assert repr(mg).splitlines()[0] == "MaseGraph(Sequential, 3 nodes)"
    assert "| _0      |" in repr(mg)
    mg.model.__class__.__name__ = "<b>"
    assert "&lt;b&gt;" in mg._repr_html_() and "<b>" not in mg._repr_html_()


def test_a_long_graph_is_cut_in_the_middle() -> None:
    mg = chop.MaseGraph(nn.Sequential(*(nn.ReLU() for _ in range(60))))
    lines = repr(mg).splitlines()
    assert len(lines) == 1 + 2 + SHOWN + 1
    assert any("… 22 more" in line for line in lines)
