"""The labs' flow for a model of the user's own: Conv1d, a residual sum, Linear and sigmoid on 1 x 16 inputs.

Conv1d and Linear are quantized; then each layer is compared with NumPy code that shares nothing with the
library.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    calculate_avg_bits_mg_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
    summarize_quantization_analysis_pass,
)
from chop.passes.graph.utils import get_mase_op, get_node_actual_target
from tests.nn import numpy_layers as oracle

CONV = {
    "name": "integer",
    "data_in_width": 8,
    "data_in_frac_width": 5,
    "weight_width": 6,
    "weight_frac_width": 4,
    "bias_width": 8,
    "bias_frac_width": 6,
}
LINEAR = {**CONV, "data_in_width": 10, "weight_width": 5}
PASS_ARGS = {
    "by": "type",
    "default": {"config": {"name": None}},
    "conv1d": {"config": CONV},
    "linear": {"config": LINEAR},
}


class OwnModel(nn.Module):
    """What a student might write."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, 8, 3, padding=1)
        self.block = nn.Conv1d(8, 8, 5, padding=2, groups=2)
        self.head = nn.Linear(8 * 16, 5)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.block(x)
        return torch.sigmoid(self.head(torch.flatten(x, 1)))


@pytest.fixture
def model():
    torch.manual_seed(3)
    return OwnModel().eval()


@pytest.fixture
def x():
    return torch.randn(32, 1, 16, generator=torch.Generator().manual_seed(4)) * 2


def analysed(model, x):
    graph = MaseGraph(model)
    graph, _ = init_metadata_analysis_pass(graph)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}, "add_value": True})
    graph, _ = add_software_metadata_analysis_pass(graph, None)
    return graph


def weights(model, name):
    layer = getattr(model, name)
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def value(graph, name):
    node = next(node for node in graph.nodes if node.name == name)
    return node.meta["mase"]["common"]["results"]["data_out_0"]["value"].numpy()


def by_hand(model, x, name, taken):
    """What node ``name`` must give for the inputs ``taken`` that it got."""
    if name == "stem":
        return oracle.conv(taken[0], *weights(model, "stem"), CONV, (1,), ((1, 1),), (1,))
    if name == "block":
        return oracle.conv(taken[0], *weights(model, "block"), CONV, (1,), ((2, 2),), (1,), groups=2)
    if name == "add":
        return taken[0] + taken[1]
    if name == "flatten":
        return taken[0].reshape(len(x), -1)
    if name == "head":
        return oracle.linear(taken[0], *weights(model, "head"), LINEAR)
    assert name == "sigmoid"
    return 1 / (1 + np.exp(-taken[0].astype(np.float64)))


def test_each_layer_equals_the_oracle(model, x):
    graph = analysed(model, x)
    kinds = {node.name: get_mase_op(node) for node in graph.nodes}
    assert kinds == {
        "x": "placeholder",
        "stem": "conv1d",
        "block": "conv1d",
        "add": "add",
        "flatten": "flatten",
        "head": "linear",
        "sigmoid": "sigmoid",
        "output": "output",
    }
    for _ in range(2):  # a config used twice
        graph, info = quantize_transform_pass(graph, PASS_ARGS)
    assert info["rules"] == {"stem": "conv1d", "block": "conv1d", "add": "default", "head": "linear"}
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}})
    classes = [
        type(get_node_actual_target(node)).__name__ for node in graph.nodes if node.op == "call_module"
    ]
    assert classes == ["Conv1dInteger", "Conv1dInteger", "LinearInteger"]
    for node in graph.nodes:
        if node.op not in ("placeholder", "output"):
            taken = [value(graph, source.name) for source in node.all_input_nodes]
            expected = by_hand(model, x, node.name, taken)
            np.testing.assert_allclose(
                value(graph, node.name), expected, rtol=1e-6, atol=1e-6, err_msg=node.name
            )
    assert torch.equal(graph.model(x), torch.from_numpy(value(graph, "output")))
    assert not torch.equal(graph.model(x), model(x)), "the user's model stays float"


def test_quantized_weights_lie_on_their_grids(model, x):
    graph, _ = quantize_transform_pass(analysed(model, x), PASS_ARGS)
    for name, config in (("stem", CONV), ("block", CONV), ("head", LINEAR)):
        weight = getattr(graph.model, name).get_quantized_weight()
        codes = getattr(graph.model, name).int_weight
        limit = 2 ** (config["weight_width"] - 1)
        assert codes.min() >= -limit and codes.max() < limit
        expected = oracle.operand(weights(model, name)[0], config, "weight")
        np.testing.assert_array_equal(weight.detach().numpy(), expected)


def test_summary_and_averages(model, x, tmp_path):
    graph, _ = quantize_transform_pass(analysed(model, x), PASS_ARGS)
    summarize_quantization_analysis_pass(analysed(model, x), graph, tmp_path)
    lines = (tmp_path / "quantize_histogram.csv").read_text().splitlines()
    assert "Conv1d,conv1d,2,2,0" in lines and "sigmoid,sigmoid,1,0,1" in lines
    _, bits = calculate_avg_bits_mg_analysis_pass(graph, {})
    sizes = {name: weights(model, name)[0].size for name in ("stem", "block", "head")}
    expected = (6 * (sizes["stem"] + sizes["block"]) + 5 * sizes["head"]) / sum(sizes.values())
    assert bits["w_avg_width"] == pytest.approx(expected)


def test_it_trains(model, x):
    graph, _ = quantize_transform_pass(analysed(model.train(), x), PASS_ARGS)
    network = graph.model.train()
    target = torch.rand(len(x), 5, generator=torch.Generator().manual_seed(5))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(x), target)
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_evaluator_says_that_it_does_not_run_such_a_graph(model, x):
    labels = torch.zeros(len(x), dtype=torch.int64)
    graph = analysed(model, x)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"node stem: conv1d takes 1 channels .* its input has \?x16"):
            Evaluator(graph, x.flatten(1), labels)
        quantize_transform_pass(graph, PASS_ARGS)
