"""Average bits of recorded quantize configs."""

from __future__ import annotations

import json

import pytest

from chop.passes import (
    calculate_avg_bits_mg_analysis_pass,
    calculate_avg_bits_module_analysis_pass,
    quantize_transform_pass,
)
from tests.parity.test_metadata import load, make_graph

MODELS = ("jsc-tiny", "jsc-toy", "jsc-s", "three-linear")


@pytest.mark.parametrize("name", MODELS)
def test_every_case(shared_dir, name):
    cases = json.loads((shared_dir / "reference" / "avg_bits.json").read_text())["cases"]
    assert {case["model"] for case in cases} == set(MODELS)
    cases = [case for case in cases if case["model"] == name]
    for case in cases:
        graph = make_graph(*load(shared_dir, name))
        if case["pass_args"] is not None:
            quantize_transform_pass(graph, case["pass_args"])
        bits = calculate_avg_bits_module_analysis_pass(graph.model, {})[1]["average_bitwidth"]
        assert bits == pytest.approx(case["module_pass"]["average_bitwidth"])
        assert 32 / bits == pytest.approx(case["memory_density_compare_to_32"])
        found = calculate_avg_bits_mg_analysis_pass(graph, {})[1]
        if "error" not in case["graph_pass"]:  # MASE fails on an open fraction width
            assert {key: found[key] for key in case["graph_pass"]} == pytest.approx(case["graph_pass"])
