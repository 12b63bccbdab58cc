"""Rounding and overflow modes in a node's metadata."""

from __future__ import annotations

import torch

from chop.passes import quantize_transform_pass
from tests.ir.models import EIGHT, FLOAT, Functional
from tests.passes.test_metadata import analysed, common


def test_modes_other_than_the_usual_ones_are_entries_of_their_own():
    graph = analysed(Functional().eval(), torch.randn(2, 16))
    usual = {**EIGHT, "weight_rounding": "half_even", "weight_overflow": "saturate"}
    for config in (EIGHT, usual):
        quantize_transform_pass(graph, {"by": "type", "default": {"config": config}})
        for name in ("data_in_0", "weight", "bias"):
            assert not {"rounding", "overflow"} & common(graph, "fc1")["args"][name].keys()
    modes = {"data_in_rounding": "floor", "weight_overflow": "wrap", "bias_rounding": "half_up"}
    quantize_transform_pass(graph, {"by": "type", "default": {"config": {**EIGHT, **modes}}})
    found = {
        name: (entry["precision"], entry.get("rounding"), entry.get("overflow"))
        for name, entry in common(graph, "fc1")["args"].items()
    }
    assert found == {
        "data_in_0": ([8, 4], "floor", None),
        "weight": ([8, 4], None, "wrap"),
        "bias": ([8, 4], "half_up", "wrap"),
    }
    assert graph.meta["mase"]["common"]["args"]["data_in_0"]["rounding"] == "floor"
    fresh = analysed(graph.model, torch.randn(2, 16))
    assert common(fresh, "fc1")["args"]["weight"]["overflow"] == "wrap"
    quantize_transform_pass(graph, {"by": "type", "default": {"config": FLOAT}})
    assert not {"rounding", "overflow"} & common(graph, "fc1")["args"]["weight"].keys()
    assert "rounding" not in graph.meta["mase"]["common"]["args"]["data_in_0"]
