"""The metadata passes beyond the recorded models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from chop.ir.graph import MaseGraph
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    load_node_meta_param_interface_pass,
    metadata_value_type_cast_transform_pass,
    quantize_transform_pass,
    save_node_meta_param_interface_pass,
)
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, FLOAT, Chain, Functional, Reshaping, Shared


def analysed(model, x, **pass_args):
    graph, info = init_metadata_analysis_pass(MaseGraph(model))
    assert info == {}
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}, **pass_args})
    return add_software_metadata_analysis_pass(graph, None)[0]


def node_of(graph, name):
    return next(node for node in graph.nodes if node.name == name)


def common(graph, name):
    return node_of(graph, name).meta["mase"]["common"]


def test_values_are_those_before_an_in_place_layer():
    model = Chain().eval()
    x = torch.randn(4, 16)
    graph = analysed(model, x.clone())
    normalised = model.seq_blocks[0](x)
    assert (normalised < 0).any(), "or the in-place ReLU would not show"
    assert torch.equal(common(graph, "seq_blocks_0")["results"]["data_out_0"]["value"], normalised)
    assert torch.equal(common(graph, "seq_blocks_1")["args"]["data_in_0"]["value"], normalised)
    linear = common(graph, "seq_blocks_2")["args"]
    assert torch.equal(linear["weight"]["value"], model.seq_blocks[2].weight)
    assert linear["weight"]["from"] is None and "torch_dtype" not in linear["weight"]


def test_without_values():
    graph = analysed(Chain().eval(), torch.randn(4, 16), add_value=False)
    for node in graph.nodes:
        entries = [
            *node.meta["mase"]["common"]["args"].values(),
            *node.meta["mase"]["common"]["results"].values(),
        ]
        assert entries and all("value" not in entry for entry in entries)


def test_meta_device_gives_the_same_shapes():
    x = torch.randn(4, 16)
    real, meta = (
        analysed(Functional().eval(), x, add_value=False, force_device_meta=flag) for flag in (False, True)
    )
    for mine, its in zip(real.nodes, meta.nodes, strict=True):
        assert mine.meta["mase"].parameters == its.meta["mase"].parameters or mine.name in ("x", "output")
        assert mine.meta["mase"]["common"]["args"] == its.meta["mase"]["common"]["args"]
    assert meta.modules["fc1"].weight.device.type == "cpu"


def test_looking_does_not_change_a_model_in_training():
    model = nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.randn(8, 16)
    state = torch.random.get_rng_state()
    graph = MaseGraph(model)
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"input": x}})
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.training and graph.model.training


def test_functions_and_methods():
    graph = analysed(Functional().eval(), torch.randn(3, 16))
    assert common(graph, "sub")["args"]["other"] == 0.5
    assert set(common(graph, "mul")["args"]) == {"data_in_0", "data_in_1"}
    assert common(graph, "relu")["args"]["inplace"] is False
    assert set(common(graph, "relu_2")["args"]) == {"data_in_0"}
    top = graph.meta["mase"]["common"]
    assert [node.name for node in top["nodes_in"]] == ["fc1", "add"]
    assert [node.name for node in top["nodes_out"]] == ["fc2"]
    assert list(top["args"]) == ["data_in_0"] and top["results"]["data_out_0"]["shape"] == [3, 5]


def test_reshapes_convolution_and_numbers():
    graph = analysed(Reshaping().eval(), torch.randn(3, 16))
    size = common(graph, "size")["results"]["data_out_0"]
    assert size == {"type": int, "shape": [1], "value": 16}
    assert common(graph, "view")["args"] == {"shape_0": -1, "shape_1": 1, "shape_2": 16}
    assert common(graph, "flatten")["args"]["start_dim"] == 1
    assert common(graph, "conv")["args"]["weight"]["shape"] == [4, 1, 3]
    assert node_of(graph, "view").meta["mase"]["hardware"] == {"is_implicit": True}
    assert node_of(graph, "conv").meta["mase"]["software"]["args"].keys() == {"data_in_0", "weight", "bias"}
    top = graph.meta["mase"]["common"]
    assert [node.name for node in top["nodes_in"]] == ["conv"]
    assert top["args"]["data_in_0"]["shape"] == [3, 1, 16]


def test_two_inputs_are_numbered_by_source():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 3), nn.Linear(4, 3)

        def forward(self, x, y):
            return self.a(x) + self.b(y)

    graph = MaseGraph(Two())
    dummy_in = {"x": torch.zeros(1, 2), "y": torch.zeros(1, 4)}
    add_common_metadata_analysis_pass(graph, {"dummy_in": dummy_in})
    args = graph.meta["mase"]["common"]["args"]
    assert {name: entry["shape"] for name, entry in args.items()} == {
        "data_in_0": [1, 2],
        "data_in_1": [1, 4],
    }


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_precision_of_other_dtypes(dtype):
    graph = analysed(Shared().to(dtype), torch.zeros(2, 4, dtype=dtype))
    entries = common(graph, "fc")["args"]
    bits = torch.finfo(dtype).bits
    assert [entries[name]["precision"] for name in ("data_in_0", "weight", "bias")] == [[bits]] * 3


def test_analysing_again_after_quantize_works_and_says_what_runs():
    x = torch.randn(4, 16)
    graph = analysed(Functional().eval(), x)
    quantize_transform_pass(graph, {"by": "type", "default": {"config": EIGHT}})
    once = {
        node.name: common(graph, node.name)["args"].get("data_in_0", {}).get("precision")
        for node in graph.nodes
    }
    for again in (graph, MaseGraph(graph.model)):
        init_metadata_analysis_pass(again)
        add_common_metadata_analysis_pass(again, {"dummy_in": {"x": x}})
        found = {
            n.name: common(again, n.name)["args"].get("data_in_0", {}).get("precision") for n in again.nodes
        }
        assert found == once and found["fc1"] == [8, 4] and found["mul"] == [8, 4] and found["drop"] == [32]
        assert "config" not in common(again, "relu")["args"]
    quantize_transform_pass(graph, {"by": "type", "default": {"config": FLOAT}})
    assert common(graph, "fc1")["args"]["weight"]["precision"] == [32]


@pytest.mark.parametrize(
    ("pass_args", "error", "message"),
    [
        (None, ConfigError, "dummy_in must be a table"),
        ({}, ConfigError, "dummy_in must be a table"),
        ({"dummy_in": torch.zeros(1)}, ConfigError, "dummy_in must be a table"),
        ({"dumy_in": {}}, ConfigError, "did you mean 'dummy_in'"),
        (
            {"dummy_in": {"X": torch.zeros(2, 16)}},
            UnknownNameError,
            "'X' is no input of the graph.*inputs: x",
        ),
        ({"dummy_in": {}}, ConfigError, "input 'x' of the graph has no value"),
    ],
)
def test_bad_arguments(pass_args, error, message):
    with pytest.raises(error, match=message):
        add_common_metadata_analysis_pass(MaseGraph(Chain()), pass_args)


def test_unknown_operation_names_the_node():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.special.erfcx(x)

    with pytest.raises(ConfigError, match=r"node .*erfcx"):
        add_common_metadata_analysis_pass(MaseGraph(Odd()), {"dummy_in": {"x": torch.zeros(1)}})


@pytest.mark.parametrize(
    "layer",
    [
        nn.Sigmoid(),
        nn.Tanh(),
        nn.Softmax(1),
        nn.GELU(),
        nn.LeakyReLU(),
        nn.Flatten(),
        nn.Identity(),
        nn.LayerNorm(6),
    ],
)
def test_layers_that_mase_refuses(layer):
    graph = MaseGraph(nn.Sequential(layer))
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"input": torch.zeros(2, 6)}})
    assert graph.meta["mase"]["common"] is not None
    assert common(graph, "_0")["results"]["data_out_0"]["shape"] == [2, 6]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.cat([x, x], dim=1).mean(dim=1),
        lambda x: x.unsqueeze(0).transpose(0, 1).reshape(x.shape[0], -1),
        lambda x: torch.softmax(x, dim=1) * x.sigmoid(),
        lambda x: 1 + x,
        lambda x: x @ x.transpose(0, 1),
    ],
)
def test_functions_that_mase_refuses(function):
    class Model(nn.Module):
        def forward(self, x):
            return function(x)

    x = torch.randn(2, 6)
    graph = analysed(Model(), x)
    assert torch.equal(common(graph, "output")["results"]["data_out_0"]["value"], function(x))


def test_inputs_that_cf_args_fixed():
    class Branching(nn.Module):
        def forward(self, x, double=False):
            return x * 2 if double else x

    graph = MaseGraph(Branching(), cf_args={"double": True})
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": torch.ones(2)}})
    assert common(graph, "mul")["results"]["data_out_0"]["value"].tolist() == [2.0, 2.0]


def test_outputs_of_several_kinds():
    class Several(nn.Module):
        def forward(self, x, mask=None):
            return x + 1, x * 2

    graph = analysed(Several(), torch.ones(2, 3))
    shapes = {name: entry["shape"] for name, entry in common(graph, "output")["results"].items()}
    assert shapes == {"data_out_0": [2, 3], "data_out_1": [2, 3]}
    assert [node.name for node in graph.meta["mase"]["common"]["nodes_out"]] == ["add", "mul"]
    assert list(graph.meta["mase"]["common"]["results"]) == ["data_out_0", "data_out_1"]


def test_cast_of_values_keeps_the_callers_arguments():
    graph = analysed(Chain().eval(), torch.randn(2, 16))
    pass_args = {"fn": lambda value: value.numpy() if isinstance(value, torch.Tensor) else value}
    before = dict(pass_args)
    metadata_value_type_cast_transform_pass(graph, pass_args)
    assert pass_args == before
    assert isinstance(common(graph, "seq_blocks_2")["args"]["weight"]["value"], np.ndarray)
    with pytest.raises(ConfigError, match="fn must be a function"):
        metadata_value_type_cast_transform_pass(graph, {})


def test_metadata_file_and_back(tmp_path):
    graph = analysed(Functional().eval(), torch.randn(2, 16), add_value=False)
    modes = {"data_in_rounding": "floor", "weight_overflow": "wrap"}
    pass_args = {"name": "integer", **{**EIGHT, "data_in_frac_width": None}, **modes}
    quantize_transform_pass(graph, {"by": "type", "default": {"config": pass_args}})
    save_node_meta_param_interface_pass(graph, {"save_path": tmp_path / "meta.toml"})
    fresh, _ = init_metadata_analysis_pass(MaseGraph(graph.model))
    load_node_meta_param_interface_pass(fresh, tmp_path / "meta.toml")
    for mine, its in zip(graph.nodes, fresh.nodes, strict=True):
        assert its.meta["mase"].parameters == mine.meta["mase"].parameters
    other, _ = init_metadata_analysis_pass(MaseGraph(Chain()))
    with pytest.raises(ConfigError, match="unknown node 'fc1'"):
        load_node_meta_param_interface_pass(other, tmp_path / "meta.toml")
    (tmp_path / "bad.toml").write_text("[x")
    with pytest.raises(ConfigError, match="no TOML file"):
        load_node_meta_param_interface_pass(other, tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match="save_path must be a path"):
        save_node_meta_param_interface_pass(graph, {})
