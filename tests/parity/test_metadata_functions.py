"""Metadata of the recorded models with functions and methods, before any quantization."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from chop.ir.graph import MaseGraph
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    load_mase_graph_interface_pass,
    save_mase_graph_interface_pass,
    verify_common_metadata_analysis_pass,
)
from tests.parity.recorded_models import RECORDED, load_state


def plain(value):
    """Write metadata the way it was recorded: no values, dtypes and nodes as text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in ("value", "from")}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, torch.dtype) else getattr(value, "name", value)


def target_name(node):
    if node.op == "call_function":
        return torch.fx.node._get_qualified_name(node.target)
    return node.target


def described(graph):
    nodes = []
    for node in graph.nodes:
        meta = node.meta["mase"]
        kind = type(meta.module).__name__ if meta.module is not None else target_name(node).rpartition(".")[2]
        nodes.append(
            {
                "name": node.name,
                "op": node.op,
                "target": target_name(node),
                "actual_target_type": kind,
                "args": plain(node.args),
                "kwargs": dict(node.kwargs),
                **{part: plain(meta[part]) for part in ("common", "software", "hardware")},
            }
        )
    return {"nodes": nodes, "graph": plain(graph.meta["mase"]["common"])}


@pytest.mark.parametrize("name", RECORDED)
def test_before(shared_dir, name, tmp_path):
    folder = shared_dir / "reference" / "metadata"
    record = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.npz") as file:
        arrays = dict(file)
    graph, _ = init_metadata_analysis_pass(MaseGraph(load_state(RECORDED[name](), arrays)))
    x = torch.from_numpy(arrays["x"])
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}, "add_value": True})
    graph, _ = add_software_metadata_analysis_pass(graph, None)
    assert described(graph) == record["before"]
    verify_common_metadata_analysis_pass(graph)
    y = graph.model(x).detach().numpy()
    np.testing.assert_allclose(y, arrays["y_float"], rtol=1e-5, atol=1e-6)
    save_mase_graph_interface_pass(graph, tmp_path)
    again, _ = load_mase_graph_interface_pass(None, tmp_path)
    assert described(again) == record["before"]
