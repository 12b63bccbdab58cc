"""Graphs, metadata and the quantize pass against recorded runs of MASE, for every recorded config."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

from chop.ir.graph import MaseGraph
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    calculate_avg_bits_mg_analysis_pass,
    calculate_avg_bits_module_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
)

MODELS = ("jsc-tiny", "jsc-toy", "jsc-s", "three-linear")


class Blocks(nn.Module):
    """A chain of layers under the attribute that the recorded state dicts name."""

    def __init__(self, attribute: str, layers: list[nn.Module]) -> None:
        super().__init__()
        self.add_module(attribute, nn.Sequential(*layers))
        self.attribute = attribute

    def forward(self, x):
        return getattr(self, self.attribute)(x)


def build_from_record(record: dict, arrays: dict[str, np.ndarray]) -> nn.Module:
    """Make the recorded chain again: kinds from the nodes, sizes from the state dict."""
    state = {key[3:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("sd.")}
    layers: list[nn.Module] = []
    for node in record["before"]["nodes"]:
        weight = state.get(f"{node['target']}.weight")
        kind = node["actual_target_type"]
        if kind == "BatchNorm1d":
            layers.append(nn.BatchNorm1d(len(weight)))
        elif kind == "Linear":
            layers.append(nn.Linear(weight.shape[1], weight.shape[0]))
        elif kind == "ReLU":
            layers.append(nn.ReLU(inplace=True))
    model = Blocks(record["before"]["nodes"][1]["target"].split(".")[0], layers)
    model.load_state_dict(state)
    return model.eval()


def load(shared_dir, name):
    folder = shared_dir / "reference" / "metadata"
    record = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.npz") as arrays:
        return record, dict(arrays)


def make_graph(record, arrays):
    graph = MaseGraph(build_from_record(record, arrays))
    graph, _ = init_metadata_analysis_pass(graph)
    x = torch.from_numpy(arrays["x"])
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}, "add_value": True})
    return add_software_metadata_analysis_pass(graph, None)[0]


def strip(value):
    """Write metadata the way it was recorded: no values, dtypes and nodes as text."""
    if isinstance(value, dict):
        return {key: strip(item) for key, item in value.items() if key not in ("value", "from")}
    if isinstance(value, torch.dtype):
        return str(value)
    return (
        [strip(item) for item in value] if isinstance(value, (list, tuple)) else getattr(value, "name", value)
    )


def described(graph):
    nodes = []
    for node in graph.nodes:
        meta = node.meta["mase"]
        target = type(meta.module).__name__ if meta.module is not None else node.target
        parts = {part: strip(meta[part]) for part in ("common", "software", "hardware")}
        head = {"name": node.name, "op": node.op, "target": node.target, "actual_target_type": target}
        nodes.append({**head, "args": strip(node.args), "kwargs": dict(node.kwargs), **parts})
    return {"nodes": nodes, "graph": strip(graph.meta["mase"]["common"])}


@pytest.mark.parametrize("name", MODELS)
def test_before(shared_dir, name):
    record, arrays = load(shared_dir, name)
    graph = make_graph(record, arrays)
    assert described(graph) == record["before"]
    y = graph.model(torch.from_numpy(arrays["x"]))
    np.testing.assert_allclose(y.detach().numpy(), arrays["y_float"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_quantized(shared_dir, name):
    record, arrays = load(shared_dir, name)
    assert len(record["quantized"]) == 7
    for label, case in record["quantized"].items():
        check_label(make_graph(record, arrays), label, case, arrays)


@pytest.mark.parametrize("name", MODELS)
def test_one_graph_quantized_again_and_again(shared_dir, name):
    record, arrays = load(shared_dir, name)
    graph = make_graph(record, arrays)
    for label, case in record["quantized"].items():
        check_label(graph, label, case, arrays)
    left_alone = {"by": "type", "default": {"config": {"name": None}}}
    graph, _ = quantize_transform_pass(graph, left_alone)
    assert described(graph) == record["before"]


def check_label(graph, label, case, arrays):
    pass_args = copy.deepcopy(case["pass_args"])
    graph, info = quantize_transform_pass(graph, pass_args)
    assert info == case["pass_info"]
    assert pass_args == case["pass_args"], "the caller's arguments stay"
    expected = {"nodes": case["nodes"], "graph": case["graph"]}
    assert described(graph) == expected, label
    y = graph.model(torch.from_numpy(arrays["x"]))
    np.testing.assert_allclose(y.detach().numpy(), arrays[f"y_{label}"], rtol=1e-5, atol=1e-6, err_msg=label)
    _, bits = calculate_avg_bits_module_analysis_pass(graph.model, {})
    assert bits["average_bitwidth"] == pytest.approx(case["average_bitwidth"])
    _, bits = calculate_avg_bits_mg_analysis_pass(graph, {})
    assert {key: bits[key] for key in case["avg_bits_mg"]} == pytest.approx(case["avg_bits_mg"])
