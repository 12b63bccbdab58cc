"""Graphs, metadata and the quantize pass against recorded runs of MASE, for every recorded config."""

from __future__ import annotations

import copy
import json
import operator
import re

import numpy as np
import pytest
import torch
from torch import nn

from chop._aliases import ALIASES
from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import QUANTIZEABLE_OP
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    calculate_avg_bits_mg_analysis_pass,
    calculate_avg_bits_module_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
)
from tests.parity.recorded_models import RECORDED

MODELS = ("jsc-tiny", "jsc-toy", "jsc-s", "three-linear", "conv1d-residual", "functional")


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
    if record["model"] in RECORDED:
        made = RECORDED[record["model"]]()
        made.load_state_dict(state)
        return made.eval()
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


def target_text(target):
    """A target as it was recorded: functions by the path under which MASE has them."""
    if isinstance(target, str):
        return target
    if target is operator.add:
        return "_operator.add"
    for old, real in ALIASES.items():
        if real == getattr(target, "__module__", None):
            return f"{old}.{target.__name__}"
    return torch.fx.node._get_qualified_name(target)


def described(graph):
    nodes = []
    for node in graph.nodes:
        meta = node.meta["mase"]
        target = type(meta.module).__name__ if meta.module is not None else node.target
        if callable(target):
            target = target.__name__
        parts = {part: strip(meta[part]) for part in ("common", "software", "hardware")}
        head = {
            "name": node.name,
            "op": node.op,
            "target": target_text(node.target),
            "actual_target_type": target,
        }
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


def check_info(info, graph, pass_args):
    """MASE gives back an empty dict; here it says which rule hit which node."""
    assert info["left_float"] == []
    nodes = {node.name: node.meta["mase"]["common"]["mase_op"] for node in graph.nodes}
    assert list(info["rules"]) == [name for name, op in nodes.items() if op in QUANTIZEABLE_OP]
    for name, rule in info["rules"].items():
        own = {"type": nodes[name], "name": name}.get(pass_args["by"])
        keys = [key for key in pass_args if key == own or (own is None and re.fullmatch(key, name))]
        assert rule == (keys[0] if keys else "default")


def check_label(graph, label, case, arrays):
    pass_args = copy.deepcopy(case["pass_args"])
    graph, info = quantize_transform_pass(graph, pass_args)
    check_info(info, graph, case["pass_args"])
    assert pass_args == case["pass_args"], "the caller's arguments stay"
    expected = {"nodes": case["nodes"], "graph": case["graph"]}
    assert described(graph) == expected, label
    y = graph.model(torch.from_numpy(arrays["x"]))
    # MASE loses the bias of a quantized convolution; where it did, the right output is recorded too.
    expected = arrays.get(f"yfixed_{label}", arrays[f"y_{label}"])
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-5, atol=1e-6, err_msg=label)
    _, bits = calculate_avg_bits_module_analysis_pass(graph.model, {"count": "mase"})
    assert bits["average_bitwidth"] == pytest.approx(case["average_bitwidth"])
    _, bits = calculate_avg_bits_mg_analysis_pass(graph, {})
    assert {key: bits[key] for key in case["avg_bits_mg"]} == pytest.approx(case["avg_bits_mg"])
