"""Cost models: the figures of the small network, configs as values, and what a program can add."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chop import MaseGraph, _core, cost
from chop.cost import COST_MODELS, Costs, cost_model, report
from chop.nn.quantizers import OPERANDS
from chop.passes import quantize_transform_pass
from chop.registry import UnknownNameError
from tests.evaluator.models import by_type, chain, integer


def tiny() -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5), nn.ReLU())


LINEAR_84 = by_type(linear=integer(8, 4))

# (model, batch, config) -> total; batch norm 16, relu, linear 16-5, relu.
FIGURES = [
    ("flops", 8, None, 1320),
    ("bitops", 8, None, 42240),
    ("flops", 8, LINEAR_84, 680),
    ("bitops", 8, LINEAR_84, 26880),
    ("flops_with_bias", 8, None, 1360),
    ("bitops_with_bias", 8, None, 43520),
    ("flops_arithmetic", 8, LINEAR_84, 1833),
    ("bitops_arithmetic", 8, LINEAR_84, 79680),
    ("flops_arithmetic", 512, LINEAR_84, 117249),
    ("bitops_arithmetic", 512, LINEAR_84, 5099520),
    ("macs", 8, None, 640),
    ("parameters", 8, None, 117),
    ("model_size", 8, None, 468),
    ("model_size", 8, LINEAR_84, 32 * 4 + 85),
    ("bops", 8, LINEAR_84, 640 * (64 + 8 + 8 + 4)),
    # Input, batch norm and both sides of the first relu; the linear layer reads its input at 8 bits.
    ("activation_memory", 8, None, 4 * (3 * 128 + 2 * 40)),
    ("activation_memory", 8, LINEAR_84, 4 * (2 * 128 + 2 * 40) + 128),
    ("average_bitwidth", 8, None, 32),
    ("average_bitwidth", 8, LINEAR_84, 8),
    ("memory_density", 8, LINEAR_84, 4),
]


@pytest.mark.parametrize(("name", "batch", "config", "expected"), FIGURES)
def test_figures_of_the_small_network(name: str, batch: int, config: Any, expected: float) -> None:
    found = Costs(tiny(), batch, (name,))
    assert found.evaluate(config) == {name: expected}
    assert found.report(config)[name].total == expected


def test_ebops_against_numpy() -> None:
    model = chain((16, 8, 5))
    costs = Costs(model, 4, ("ebops",))

    def effective(weight: Tensor, width: int, frac: int) -> int:
        codes = np.clip(
            np.rint(weight.detach().double().numpy() * 2.0**frac), -(2 ** (width - 1)), 2 ** (width - 1) - 1
        )
        return sum(len(bin(int(abs(c)))[2:].strip("0")) for c in codes.ravel())

    for width, frac in ((8, 4), (3, 1), (6, 7)):
        expected = 4 * sum(effective(m.weight, width, frac) for m in model if isinstance(m, nn.Linear)) * 9
        config = by_type(linear=integer(9, 4, width, frac, width, frac))
        assert costs.evaluate(config) == {"ebops": expected}
    config = by_type(
        linear={**integer(9, 4, 3, 1, 3, 1), "weight_rounding": "floor", "weight_overflow": "wrap"}
    )
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    layers = [m for m in graph.model.modules() if isinstance(m, nn.Linear)]
    codes = np.concatenate([m.int_weight.numpy().ravel() for m in layers])
    bits = sum(len(bin(abs(int(c)))[2:].strip("0")) for c in codes)
    assert costs.evaluate(config) == {"ebops": 4 * bits * 9}
    assert costs.evaluate(by_type(linear=integer(9, 4, 3, 1, 3, 1))) != {"ebops": 4 * bits * 9}
    assert costs.evaluate() == {"ebops": 4 * 32 * 32 * (16 * 8 + 8 * 5)}


def test_a_config_costs_what_the_quantized_graph_costs() -> None:
    model = chain((16, 8, 5))
    costs = Costs(model, 8)
    for config in (
        by_type(linear=integer(8, 4)),
        by_type(linear=integer(8, 4, 4, 2, 6, 3), relu=integer(5, 3)),
        {"by": "name", "default": {"config": integer(7, 3)}, "_2": {"config": {"name": None}}},
        {
            "by": "regex_name",
            "default": {"config": {"name": None}},
            "_[25]": {"config": {**integer(6, 2), "bypass": True}},
        },
    ):
        mg, _ = quantize_transform_pass(MaseGraph(model), copy.deepcopy(config))
        assert costs.evaluate(config) == Costs(mg, 8).evaluate()
        assert costs.evaluate(config) == costs.report(config).totals()


def test_remembered_rules_answer_as_new_ones() -> None:
    model = chain((16, 8, 5))
    costs = Costs(model, 8)
    tables = [integer(w, 2) for w in (2, 4, 8)] + [{"name": None}, {**integer(4, 2), "bypass": True}]
    for first in tables:
        for second in tables:
            config = {"by": "name", "default": {"config": first}, "_2": {"config": second}}
            assert costs.evaluate(config) == Costs(model, 8).evaluate(copy.deepcopy(config))


@pytest.mark.parametrize(
    "config",
    [
        by_type(linear={**integer(8, 4), "weight_width": 8.0}),
        by_type(linear={**integer(8, 4), "weight_width": True}),
        by_type(linear={**integer(8, 4), "weight_width": [8]}),
        {**by_type(linear=integer(8, 4)), "by": "typ"},
        {**by_type(linear=integer(8, 4)), "linear": {"config": integer(8, 4), "extra": 1}},
        {"by": "type", "linear": {"config": integer(8, 4)}},
        by_type(linaer=integer(8, 4)),
        [1, 2],
    ],
)
def test_bad_configs_are_refused_also_after_good_ones(config: Any) -> None:
    costs = Costs(chain((16, 8, 5)), 8, ("bitops",))
    costs.evaluate(by_type(linear=integer(8, 4)))
    costs.evaluate(by_type(linear={**integer(8, 4), "weight_width": 1}))
    with pytest.raises(ValueError):
        costs.evaluate(config)


def test_a_module_called_twice_is_stored_once_and_works_twice() -> None:
    layer = nn.Linear(4, 4)
    found = Costs(nn.Sequential(layer, nn.ReLU(), layer), 2, ("parameters", "macs", "model_size")).evaluate()
    assert found == {"parameters": 20, "macs": 2 * 2 * 16, "model_size": 80}
    tied, other = nn.Linear(4, 4), nn.Linear(4, 4)
    other.weight = tied.weight
    assert Costs(nn.Sequential(tied, other), 2, ("parameters",)).evaluate() == {"parameters": 24}


@pytest.mark.parametrize("first", ["_0", "_1"])
def test_a_tied_weight_costs_the_same_whichever_layer_comes_first(first: str) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 5))
    model[1].weight = model[0].weight
    costs = Costs(model, 1, ("model_size", "parameters", "average_bitwidth"))
    other = "_1" if first == "_0" else "_0"
    float_default = {"by": "name", "default": {"config": {"name": None}}}
    one = {**float_default, first: {"config": integer(8, 4)}}
    # 64 weights as floats for the other layer, biases of 8 and 32 bits, 45 numbers of the last layer.
    assert costs.evaluate(one) == {
        "model_size": 64 * 4 + 8 + 32 + 45 * 4,
        "parameters": 64 + 8 + 8 + 45,
        "average_bitwidth": 8,
    }
    both = {**one, other: {"config": integer(4, 2)}}
    assert costs.evaluate(both) == {
        "model_size": 64 + 8 + 4 + 45 * 4,
        "parameters": 125,
        "average_bitwidth": 8,
    }


def test_nodes_that_share_a_module_need_one_config() -> None:
    layer = nn.Linear(4, 4)
    costs = Costs(nn.Sequential(layer, nn.ReLU(), layer), 2, ("bitops",))
    costs.evaluate({"by": "name", "default": {"config": integer(8, 4)}})
    names = [row["name"] for row in costs.operations if row["op"] == "linear"]
    same = {"by": "name", "default": {"config": integer(8, 4)}, names[0]: {"config": integer(8, 4)}}
    costs.evaluate(same)
    with pytest.raises(ValueError, match="call the same module"):
        costs.evaluate({**same, names[0]: {"config": integer(4, 2)}})


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3, padding=1)
        self.fc = nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x.view(-1, 1, 16))
        y = x + torch.relu(x)
        return torch.sigmoid(self.fc(torch.flatten(y, 1)))


def test_a_graph_with_branches() -> None:
    found = report(Residual(), batch=2, input_shapes=(16,))
    assert found["flops"].nodes == {
        "x": 0, "view": 0, "conv": 2 * 64 * 3, "relu": 128, "add": 128,
        "flatten": 0, "fc": 640, "sigmoid": 10,
    }  # fmt: skip
    # Views hold nothing: input, conv, relu, add, fc, sigmoid.
    assert found["activation_memory"].total == 4 * (32 + 128 + 128 + 128 + 10 + 10)
    assert found["parameters"].total == 12 + 4 + 320 + 5
    assert found["bitops_arithmetic"].nodes["conv"] == 128 * (3 * 1024 + 2 * 1024 + 32)


def test_a_model_without_memory_can_be_costed() -> None:
    with torch.device("meta"):
        big = nn.Sequential(nn.Linear(100_000, 50_000, bias=False))
    found = Costs(big, batch=1024)
    assert "ebops" not in found.evaluate()
    assert found.evaluate()["macs"] == 1024 * 100_000 * 50_000
    with pytest.raises(ValueError, match="no values"):
        Costs(big, 1, ("ebops",))


def test_a_program_adds_a_model() -> None:
    @cost_model(
        "reads", unit="bits", definition="bits of all inputs", total=lambda parts: max(p for p in parts if p)
    )
    def reads(node: cost.NodeCost) -> float | None:
        return sum(float(np.prod(shape)) for shape in node.inputs) * node.data_in if node.quantized else None

    try:
        costs = Costs(tiny(), 8, ("flops", "reads", "bitops"))
        assert list(costs.evaluate(LINEAR_84).items()) == [("flops", 680), ("reads", 1024), ("bitops", 26880)]
        found = costs.report(LINEAR_84)
        assert found["reads"].nodes["_2"] == 1024 and found["reads"].nodes["_1"] is None
        assert "reads [bits]: bits of all inputs" in str(found)
        with pytest.raises(ValueError, match="already registered"):
            cost_model("reads", "", "")(reads)
    finally:
        del COST_MODELS["reads"]


def test_the_printed_table_holds_numbers_and_definitions() -> None:
    text = str(report(tiny(), 8, LINEAR_84, ("flops", "bops", "average_bitwidth")))
    for model in ("flops", "bops", "average_bitwidth"):
        assert f"{model} [{COST_MODELS[model].unit}]: {COST_MODELS[model].definition}" in text
    assert "680" in text and "batch 8" in text


@pytest.mark.parametrize("scale", [lambda h: math.sqrt(h.size(1)), lambda h: math.sqrt(h.shape[-1] * 2) + 1])
def test_arithmetic_on_sizes_costs_nothing(scale: Any) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(6, 4)

        def forward(self, x: Any) -> Any:
            h = self.a(x)
            return h / scale(h)

    assert Costs(Scaled(), 2, ("macs", "flops")).evaluate() == {"macs": 48.0, "flops": 48.0 + 8}


def test_bad_arguments_are_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'flops'"):
        Costs(tiny(), 8, ("flop",))
    with pytest.raises(ValueError, match="batch must be 1 or more, got 0"):
        Costs(tiny(), 0)
    with pytest.raises(ValueError, match=r"node _0: RuntimeError: .*7"):
        Costs(nn.Sequential(nn.Linear(8, 2)), 1, input_shapes=(7,))
    with pytest.raises(KeyError, match="this report has no 'flops'"):
        report(tiny(), 8, models=("macs",))["flops"]


def test_every_operation_has_a_lowering_rule() -> None:
    from chop.ir.graph.lowering_rules import LOWERING

    table = _core.op_table()
    made = {op for name, rule in LOWERING.items() for op in (rule.ops or (name,))}
    assert made | {"input", "opaque"} == set(table)
    for op, operands in OPERANDS.items():  # the Python table of quantizable operands, and the core's
        assert [operand.name for operand in operands] == table[op]["operands"], op


def test_native_models_stand_in_the_registry() -> None:
    assert {name for name, *_ in _core.cost_models()} <= set(COST_MODELS)
    assert all(model.unit and len(model.definition) > 20 for model in COST_MODELS.values())
