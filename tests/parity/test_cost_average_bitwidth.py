"""The native average bitwidth and memory density on every recorded config, as a value and as a graph."""

from __future__ import annotations

import json

import pytest

from chop.cost import Costs
from chop.passes import quantize_transform_pass
from tests.parity.test_metadata import MODELS, load, make_graph


@pytest.mark.parametrize("name", MODELS)
def test_every_case(shared_dir, name):
    cases = json.loads((shared_dir / "reference" / "avg_bits.json").read_text())["cases"]
    cases = [case for case in cases if case["model"] == name]
    if not cases:
        pytest.skip(f"nothing recorded for {name}")
    graph = make_graph(*load(shared_dir, name))
    costs = Costs(graph, 1, ("average_bitwidth", "memory_density"))
    for case in cases:
        found = [costs.evaluate(case["pass_args"])]
        if case["pass_args"] is not None:
            quantized, _ = quantize_transform_pass(make_graph(*load(shared_dir, name)), case["pass_args"])
            found.append(Costs(quantized, 1, ("average_bitwidth", "memory_density")).evaluate())
        for figures in found:
            assert figures["average_bitwidth"] == pytest.approx(case["module_pass"]["average_bitwidth"])
            assert figures["memory_density"] == pytest.approx(case["memory_density_compare_to_32"])
