"""Layers, graphs and files with formats for single channels, features and weights."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.ir.graph import MaseGraph
from chop.nn.quantized.functional import add_integer, matmul_integer, relu_integer
from chop.nn.quantized.modules import Conv1dInteger, Conv2dInteger, LinearInteger, ReLUInteger
from chop.nn.quantizers import QUANTIZERS, IntegerSpec, element_quantizer, straight_through
from chop.passes import (
    add_common_metadata_analysis_pass,
    calculate_avg_bits_mg_analysis_pass,
    load_mase_graph_interface_pass,
    quantize_transform_pass,
    save_mase_graph_interface_pass,
    verify_common_metadata_analysis_pass,
)
from chop.passes.module.analysis.calculate_avg_bits import calculate_avg_bits_module_analysis_pass
from chop.tools.errors import ConfigError

MODES = {"weight_rounding": "half_up", "bias_rounding": "floor", "data_in_overflow": "wrap"}


def random_table(shape: tuple[int, ...], inputs: int, seed: int = 0, whole: bool = True) -> dict[str, Any]:
    """A config with a format for each weight (or output channel), output and input channel."""
    r = np.random.default_rng(seed)
    weight = shape if whole else shape[:1]
    return {
        "name": "integer",
        "weight_width": r.integers(0, 7, weight).tolist(),
        "weight_frac_width": r.integers(0, 6, weight),
        "bias_width": tuple(r.integers(0, 9, shape[0]).tolist()),
        "bias_frac_width": 4,
        "data_in_width": r.integers(0, 8, inputs),
        "data_in_frac_width": r.integers(-1, 6, inputs).tolist(),
    }


def by_hand(layer: nn.Module, x: Tensor, table: dict[str, Any], axis: int) -> tuple[Tensor, Tensor, Any]:
    def on(t: Tensor, name: str, along: int) -> Tensor:
        modes = [
            table.get(f"{name}_{m}", d) for m, d in (("rounding", "half_even"), ("overflow", "saturate"))
        ]
        return element_quantizer(
            t, table[f"{name}_width"], table[f"{name}_frac_width"], True, *modes, axis=along
        )

    return on(x, "data_in", axis), on(layer.weight, "weight", 0), on(layer.bias, "bias", 0)


def layers() -> list[tuple[Any, Tensor, Any, int, int]]:
    torch.manual_seed(0)
    return [
        (LinearInteger, torch.randn(7, 5) * 3, (5, 4), 5, -1),
        (LinearInteger, torch.randn(7, 3, 5) * 3, (5, 4), 5, -1),
        (Conv1dInteger, torch.randn(3, 4, 9) * 3, (4, 6, 3, 2, 1, 1, 2), 4, 1),
        (Conv2dInteger, torch.randn(2, 3, 7, 6) * 3, (3, 4, (2, 3)), 3, 1),
    ]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("number", range(4))
def test_layers_compute_on_the_elements_grids_and_hand_gradients_through(number: int, whole: bool) -> None:
    cls, x, arguments, inputs, axis = layers()[number]
    shape = tuple(cls.float_type(*arguments).weight.shape)
    table = random_table(shape, inputs, number, whole) | MODES
    layer = cls(*arguments, config=table)
    with torch.no_grad():
        layer.weight.mul_(4)
    for clipped in ("plain", "clipped"):
        with straight_through(clipped):
            leaf = x.clone().requires_grad_()
            out = layer(leaf)
            mine = torch.autograd.grad(out.square().sum(), [leaf, layer.weight, layer.bias])
            leaf = x.clone().requires_grad_()
            a, w, b = by_hand(layer, leaf, table, axis)
            plain = F.linear(a, w, b) if cls is LinearInteger else layer._conv_forward(a, w, b)
            its = torch.autograd.grad(plain.square().sum(), [leaf, layer.weight, layer.bias])
        assert torch.equal(out, plain)
        for one, other in zip(mine, its, strict=True):
            assert torch.equal(one, other)
        assert (mine[1][torch.as_tensor(np.broadcast_to(_over(table, shape) == 0, shape).copy())] == 0).all()
    codes, step = layer.int_weight, layer.scale
    assert torch.equal(codes * step, layer.get_quantized_weight())
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), out)
    for again in (
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),  # noqa: S301
        cls.from_float(layer, layer.config),
    ):
        assert torch.equal(again(x), out) and again.config == layer.config
    assert json.loads(json.dumps(layer.config)) == layer.config


def _over(table: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    widths = np.asarray(table["weight_width"])
    return widths if widths.ndim > 1 else widths.reshape(-1, *[1] * (len(shape) - 1))


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def network_config() -> dict[str, Any]:
    relu = {"name": "integer", "data_in_width": [4, 0, 6, 2, 5], "data_in_frac_width": [2, 0, 3, 1, -1]}
    return {
        "by": "name",
        "default": {"config": {"name": None}},
        "_0": {"config": random_table((5, 6), 6)},
        "_1": {"config": relu},
        "_2": {"config": random_table((3, 5), 5, whole=False)},
    }


def test_a_graph_goes_into_a_file_and_back(tmp_path: Path) -> None:
    x = torch.randn(8, 6)
    graph, _ = add_common_metadata_analysis_pass(MaseGraph(network()), {"dummy_in": {"input": x}})
    graph, info = quantize_transform_pass(graph, network_config())
    assert info["rules"] == {"_0": "_0", "_1": "_1", "_2": "_2"}
    verify_common_metadata_analysis_pass(graph)
    expected = graph.model(x)
    save_mase_graph_interface_pass(graph, {"save_dir": tmp_path})
    again, _ = load_mase_graph_interface_pass(None, {"load_dir": tmp_path})
    assert torch.equal(again.model(x), expected)
    assert again.modules["0"].formats == graph.modules["0"].formats
    assert "weight 0-6.0-5 (5×6)" in repr(graph) and "data_in u0-6.-1-3 (5)" in repr(graph)
    averages = calculate_avg_bits_mg_analysis_pass(graph)[1]
    weights = [np.asarray(graph.modules[name].config["weight_width"]) for name in ("0", "2")]
    assert averages["w_avg_width"] == pytest.approx((weights[0].sum() + 5 * weights[1].sum()) / 45)
    found = calculate_avg_bits_module_analysis_pass(graph.model)[1]
    assert found["average_bitwidth"] == pytest.approx(averages["w_avg_width"])
    graph, _ = quantize_transform_pass(graph, {"by": "type", "default": {"config": {"name": None}}})
    assert torch.equal(graph.model(x), network()(x))


def changed(**fields: Any) -> dict[str, Any]:
    config = network_config()
    config["_0"]["config"] |= fields
    return config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"weight_width": [4] * 6, "weight_frac_width": 2},
            r"node _0: _0.weight_width and weight_frac_width have the shape \[6\]; allowed: one number, \[5\] \(one an "
            r"output channel\) or \[5, 6\] \(one a weight\)",
        ),
        (
            {"bias_width": [4] * 6, "bias_frac_width": 2},
            r"bias_width .* shape \[6\]; allowed: one number or \[5\] \(one an output channel\)",
        ),
        (
            {"data_in_width": [4] * 5, "data_in_frac_width": 2},
            r"data_in_width .* shape \[5\]; allowed: one number or \[6\] \(one an input channel\)",
        ),
        ({"data_in_width": [[4] * 6], "data_in_frac_width": 2}, r"data_in_width .* shape \[1, 6\]"),
        ({"weight_width": [4, 40, 4, 4, 4]}, r"_0.weight_width must be 0..32 everywhere, got 40"),
        (
            {"weight_width": "a.npz#b"},
            r"weight_width: only a config file may name an array in a file, got 'a.npz#b'",
        ),
        ({"weight_width": [4, 4.5, 4, 4, 4]}, r"weight_width must be a whole number or a full list"),
        ({"weight_width": 0}, r"weight_width must be 1..32, got 0"),
    ],
)
def test_lists_that_do_not_fit_are_refused_by_pass_and_layer(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quantize_transform_pass(MaseGraph(network()), changed(**fields))
    with pytest.raises(ConfigError):
        LinearInteger(6, 5, config=changed(**fields)["_0"]["config"])


def test_a_bias_without_formats_of_its_own_takes_those_of_the_output_channels() -> None:
    table = {
        "name": "integer",
        "weight_width": [3, 4],
        "weight_frac_width": [1, 2],
        "data_in_width": 8,
        "data_in_frac_width": 4,
    }
    layer = LinearInteger(3, 2, config=table)
    assert layer.formats["bias"].widths.tolist() == [3, 4]
    with pytest.raises(ConfigError, match="bias_width"):
        LinearInteger(3, 2, config={**table, "weight_width": [[3] * 3] * 2})
    LinearInteger(3, 2, bias=False, config={**table, "weight_width": [[3] * 3] * 2})


def test_functions_and_activations_go_along_axis_one() -> None:
    table = {"name": "integer", "data_in_width": [4, 0, 8], "data_in_frac_width": [2, 0, 4]}
    x = torch.randn(5, 3, 2) * 4
    expected = element_quantizer(x, [4, 0, 8], [2, 0, 4], False, axis=1)
    assert torch.equal(ReLUInteger(config=table)(x), expected)
    assert torch.equal(relu_integer(x, config=table), expected)
    signed = element_quantizer(x, [4, 0, 8], [2, 0, 4], axis=1)
    assert torch.equal(add_integer(x, x, table), signed + signed)
    with pytest.raises(
        ConfigError, match=r"shape \[3\] do not fit an operand of the shape \[5, 4\] along axis 1"
    ):
        ReLUInteger(config=table)(torch.zeros(5, 4))
    product = {**table, "weight_width": 8, "weight_frac_width": 4}
    with pytest.raises(
        ConfigError, match="data_in_width must be one number: a quantized matmul has one format"
    ):
        matmul_integer(x, x.mT, product)


def test_a_quantizer_of_its_own_arithmetic_takes_no_lists() -> None:
    class Trunc(IntegerSpec):
        name = "trunc_lists"
        class_suffix = "TruncLists"

        def quantizer(self, format: Any) -> Any:
            return torch.trunc

    QUANTIZERS["trunc_lists"] = Trunc()
    try:
        table = {"name": "trunc_lists", "data_in_width": [4, 5], "data_in_frac_width": 2}
        with pytest.raises(
            ConfigError, match="data_in_width must be one number: 'trunc_lists' takes no lists"
        ):
            QUANTIZERS["trunc_lists"].parse("relu", table, "here")
    finally:
        del QUANTIZERS["trunc_lists"]
