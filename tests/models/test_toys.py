"""The toy models: built by name, traced, described, quantized, and run by `ch`."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from chop.ir.graph import MaseGraph
from chop.models import TOY_MODELS, get_model, get_model_info, model_names
from chop.models.toys import MLP, ToyConvNet, ToyCustomFnNet, ToyNet, ToyTiny, custom_activation
from chop.passes import (
    add_common_metadata_analysis_pass,
    load_mase_graph_interface_pass,
    quantize_transform_pass,
    save_mase_graph_interface_pass,
    verify_common_metadata_analysis_pass,
)
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT

IMAGES = SimpleNamespace(image_size=(3, 8, 8), num_classes=10)


@pytest.mark.parametrize("name", sorted(TOY_MODELS))
def test_every_toy_is_built_described_quantized_and_saved(name, tmp_path):
    torch.manual_seed(0)
    model = get_model(name, "cls", IMAGES).eval()
    x = torch.randn(2, 3, 8, 8)
    float_out = model(x)
    assert float_out.shape == (2, 10)
    graph = MaseGraph(model)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}})
    verify_common_metadata_analysis_pass(graph)
    quantize_transform_pass(graph, {"by": "type", "default": {"config": EIGHT}})
    verify_common_metadata_analysis_pass(graph)
    assert not torch.equal(graph.model(x), float_out)
    save_mase_graph_interface_pass(graph, tmp_path)
    again, _ = load_mase_graph_interface_pass(None, tmp_path)
    assert torch.equal(again.model(x), graph.model(x))
    info = get_model_info(name)
    assert info.model_source == "toy" and info.is_fx_traceable and info.is_vision_model


@pytest.mark.parametrize("kind", [ToyNet, ToyTiny, ToyCustomFnNet])
def test_rows_count_as_images_of_one_line(kind):
    name = next(name for name in TOY_MODELS if type(get_model(name)) is kind)
    model = get_model(name, dataset_info={"num_features": 16, "num_classes": 5})
    assert model(torch.randn(4, 16)).shape == (4, 5)


def test_a_function_of_ones_own_is_one_node_and_has_a_gradient():
    graph = MaseGraph(ToyCustomFnNet((1, 1, 4), 2))
    assert [node.target for node in graph.nodes if node.name == "custom_activation"] == [custom_activation]
    x = torch.zeros(3, requires_grad=True)
    custom_activation(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(3))
    assert torch.equal(custom_activation(x), torch.full((3,), 0.001))


def test_sizes():
    assert [layer.out_features for layer in MLP([4, 3, 2], last_relu=True).seq_blocks[::2]] == [3, 2]
    assert ToyConvNet(7, (1, 2, 3, 4, 5))(torch.zeros(1, 1, 4, 4)).shape == (1, 7)
    with pytest.raises(ConfigError, match="needs num_classes"):
        get_model("toy", dataset_info={"num_features": 16})
    with pytest.raises(ConfigError, match="needs image_size"):
        get_model("toy", dataset_info={"num_classes": 16})
    with pytest.raises(
        UnknownNameError, match=r"model 'toy_tyni' is not known \(did you mean 'toy_tiny'\?\)"
    ):
        get_model("toy_tyni")
    assert {"toy", "jsc-tiny"} <= set(model_names())
