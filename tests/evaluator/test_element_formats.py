"""Formats of single channels, features and weights in the evaluator: sums in whole numbers, and torch's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chop import Evaluator, MaseGraph, _core
from chop.passes import quantize_transform_pass
from chop.tools.errors import ConfigError
from tests.programs import output_on

from .element_oracle import bound, layer_sums, random_input, random_operand
from .models import chain

FLOAT = {"config": {"name": None}}


def layer_of(kind: str, random: np.random.Generator) -> tuple[nn.Module, tuple[int, ...], int]:
    n = random.integers
    groups = int(random.choice([1, 2]))
    if kind == "conv1d":
        return nn.Conv1d(4, 4 * int(n(1, 4)), int(n(1, 4)), int(n(1, 3)), 1, 1, groups), (4, 8), 4
    if kind == "conv2d":
        return nn.Conv2d(4, 2 * int(n(1, 4)), (3, 2), 1, (1, 0), 1, groups), (4, 6, 5), 4
    inputs = int(n(1, 20))
    layer = nn.Linear(inputs, int(n(1, 18)))
    return layer, ((3, inputs) if kind == "rows" else (inputs,)), inputs


def table_of(layer: Any, channels: int, random: np.random.Generator, widths: str) -> dict[str, Any]:
    lowest, fracs = {"narrow": (1, range(0, 4)), "wide": (8, range(-3, 9)), "apart": (6, range(-20, 25))}[
        widths
    ]
    whole = bool(random.integers(2))
    shape = tuple(layer.weight.shape) if whole else (layer.weight.shape[0],)
    return {
        "name": "integer",
        **random_operand(random, "data_in", channels, lowest, fracs),
        **random_operand(random, "weight", shape, lowest, fracs),
        **random_operand(random, "bias", layer.weight.shape[0], lowest + 2, fracs),
    }


def check(kind: str, widths: str, seed: int) -> None:
    random = np.random.default_rng([seed, len(kind), len(widths)])
    layer, shape, channels = layer_of(kind, random)
    table = table_of(layer, channels, random, widths)
    rows = int(random.integers(1, 150))
    x = random_input(random, (rows, *shape))
    front = nn.ReLU() if random.integers(2) else nn.Identity()
    with torch.no_grad():
        layer.weight.copy_(random_input(random, tuple(layer.weight.shape)))
        layer.bias.copy_(random_input(random, tuple(layer.bias.shape)))
    model = nn.Sequential(front, layer, nn.Flatten())
    config = {"by": "name", "default": FLOAT, "_1": {"config": table}}
    ev = Evaluator(model, x, torch.zeros(rows, dtype=torch.int64))
    certificate = ev.certificate(config)
    row = next(row for row in certificate.layers if row.node == "_1")
    road = ev.roads(config)[0]
    assert row.road == road.road
    found = ev.forward(config)
    if road.road == "float":  # the common grids are too wide for codes
        assert widths == "apart"
    else:
        sums = layer_sums(layer, front(x), table)
        if max(abs(v) for v in sums.values.ravel()) < 2**53:
            assert torch.equal(found, sums.floats().flatten(1)), (layer, table)
        assert row.unit == 2.0**-sums.frac and row.inputs.beyond == sums.saturated
        assert row.bound == pytest.approx(bound(layer, table), rel=1e-15) and row.bound == road.bound
        assert row.bound >= sums.reach
        if row.reach is not None:
            assert row.reach == float(sums.reach)
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    its = graph.model.eval()(x).detach()
    if row.exact_on_data or road.road == "fp32":
        assert torch.equal(found, its)
    torch.testing.assert_close(found, its, rtol=2e-5, atol=1e-4 * float(its.abs().max()))
    two = Evaluator(model, x, threads=2)
    assert torch.equal(two.forward(config), found)


@pytest.mark.parametrize("widths", ["narrow", "wide", "apart"])
@pytest.mark.parametrize("kind", ["linear", "rows", "conv1d", "conv2d"])
def test_sums_are_those_of_whole_numbers(kind: str, widths: str) -> None:
    for seed in range(12):
        check(kind, widths, seed)


@pytest.mark.parametrize("isa", ["baseline", *[isa for isa in _core.available_isas() if isa != "baseline"]])
def test_sums_are_those_of_whole_numbers_on_every_instruction_set(isa: str) -> None:
    code = (
        "from tests.evaluator.test_element_formats import check\n"
        "for kind in ('linear', 'conv2d'):\n"
        "    for widths in ('narrow', 'wide'):\n"
        "        for seed in range(100, 106): check(kind, widths, seed)\n"
    )
    output_on(isa, code)


def network(seed: int = 0) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return chain((16, 12, 9, 5), seed), torch.randn(300, 16) * 2, torch.randint(0, 5, (300,))


def network_config(model: nn.Module, seed: int = 0, lowest: int = 2) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    config: dict[str, Any] = {"by": "name", "default": FLOAT}
    channels = 16
    for node in MaseGraph(model).nodes:
        layer = MaseGraph(model).modules.get(str(node.target))
        if isinstance(layer, nn.Linear):
            table = {
                "name": "integer",
                **random_operand(random, "data_in", channels, lowest, range(0, 4)),
                **random_operand(random, "weight", tuple(layer.weight.shape), lowest, range(0, 5)),
                **random_operand(random, "bias", layer.out_features, lowest + 2, range(0, 6)),
            }
            channels = layer.out_features
            config[node.name] = {"config": table}
        elif isinstance(layer, nn.ReLU):
            config[node.name] = {
                "config": {
                    "name": "integer",
                    **random_operand(random, "data_in", channels, lowest, range(0, 4)),
                }
            }
    return config


@pytest.mark.parametrize("seed", range(6))
def test_a_network_equals_the_quantized_graph_bit_for_bit(seed: int) -> None:
    model, x, y = network(seed)
    config = network_config(model, seed)
    ev = Evaluator(model, x, y)
    certificate = ev.certificate(config)
    assert certificate.exact, str(certificate)
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    logits = graph.model.eval()(x)
    assert torch.equal(ev.forward(config), logits)
    found = ev.evaluate(config, metrics=["accuracy_micro", "output_mse"])
    assert found["accuracy_micro"] == pytest.approx(float((logits.argmax(1) == y).float().mean()), abs=1e-6)
    many = ev.evaluate_many([config, None, config, network_config(model, seed + 1)])
    assert many[0] == many[2] == ev.evaluate(config) and many[3] != many[0]


def test_lists_of_one_number_are_the_uniform_format() -> None:
    model, x, y = network()
    fixed = {
        "name": "integer",
        "data_in_width": 6,
        "data_in_frac_width": 3,
        "weight_width": 5,
        "weight_frac_width": 3,
    }
    fixed |= {"bias_width": 8, "bias_frac_width": 6}
    config: dict[str, Any] = {"by": "name", "default": {"config": fixed}}
    listed: dict[str, Any] = {"by": "name", "default": FLOAT}
    graph = MaseGraph(model)
    channels = 16
    for node in graph.nodes:
        layer = graph.modules.get(str(node.target))
        if isinstance(layer, nn.Linear):
            sizes = {"data_in": channels, "weight": tuple(layer.weight.shape), "bias": layer.out_features}
            channels = layer.out_features
        elif isinstance(layer, nn.ReLU):
            sizes = {"data_in": channels}
        else:
            continue
        each = {
            f"{o}_{f}": np.full(n, fixed[f"{o}_{f}"])
            for o, n in sizes.items()
            for f in ("width", "frac_width")
        }
        listed[node.name] = {"config": {"name": "integer", **each}}
    ev = Evaluator(model, x, y)
    assert torch.equal(ev.forward(config), ev.forward(listed))
    assert ev.roads(config) == ev.roads(listed)
    assert [r.to_dict() for r in ev.certificate(config).layers] == [
        r.to_dict() for r in ev.certificate(listed).layers
    ]


def test_nan_and_infinities_stay_where_no_width_is_zero() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    x = torch.randn(70, 4)
    x[3, 0], x[5, 1], x[7, 2], x[9, 3] = float("nan"), float("inf"), -float("inf"), float("nan")
    first = {"data_in_width": [4, 6, 8, 0], "data_in_frac_width": [1, 2, 3, 0], "weight_width": 5}
    first |= {"weight_frac_width": [2, 3, 1], "bias_width": 6, "bias_frac_width": 3, "name": "integer"}
    second = {**first, "data_in_width": [3, 4, 5], "data_in_frac_width": 1, "weight_frac_width": [1, 2]}
    config = {"by": "name", "default": FLOAT, "_0": {"config": first}, "_2": {"config": second}}
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    logits = graph.model.eval()(x)
    found = Evaluator(model, x).forward(config)
    assert torch.equal(found.isnan(), logits.isnan()) and logits.isnan().any(1).nonzero().tolist() == [[3]]
    assert torch.equal(found.nan_to_num(), logits.nan_to_num())


class Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.a(x)) + self.b(x) * torch.relu(self.b(x))


def test_functions_have_a_format_for_each_feature() -> None:
    torch.manual_seed(0)
    model, x = Functions().eval(), torch.randn(100, 4) * 3
    each = {"name": "integer", "data_in_width": [3, 0, 6], "data_in_frac_width": [1, 0, 3]}
    rules = {op: {"config": each} for op in ("relu", "add", "mul")}
    config = {"by": "type", "default": FLOAT, **rules}
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    assert torch.equal(Evaluator(model, x).forward(config), graph.model(x))
    wrong = {**each, "data_in_width": [3, 0, 6, 2], "data_in_frac_width": 1}
    with pytest.raises(ValueError, match=r"node relu: data_in has 3 features, got formats for 4"):
        Evaluator(model, x).forward({"by": "name", "default": FLOAT, "relu": {"config": wrong}})


def test_a_number_of_the_source_has_no_channel() -> None:
    class Scaled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 0.3

    each = {"name": "integer", "data_in_width": [3, 4, 6], "data_in_frac_width": 1}
    config = {"by": "type", "default": FLOAT, "mul": {"config": each}}
    x = torch.randn(5, 3)
    with pytest.raises(
        ValueError, match=r"has a format for each channel, and the number 0\.3 has no channel"
    ):
        Evaluator(Scaled(), x).forward(config)
    graph, _ = quantize_transform_pass(MaseGraph(Scaled()), config)
    with pytest.raises(ConfigError, match="do not fit"):
        graph.model(x)
