"""calculate_modules on every recorded call, and what it says where MASE said nothing."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from chop.passes.graph.analysis.flop_estimator.calculator import calculate_modules
from chop.passes.graph.analysis.flop_estimator.calculator.calc_modules import calculate_modules as deep
from chop.passes.graph.analysis.quantization import calculate_flops_pass
from chop.tools.errors import ConfigError
from tests.parity.test_metadata import load

# What a case must give where MASE printed "Unsupported" or failed: parameters, work, backward work.
BEYOND = {
    "bn1d": (32, 512, 512),
    "conv2d_list": (216, 27648, 20736),
    "conv2d_tensor_b2": (216, 15552, 20736),
    "conv1d": (12, 336, 192),
    "sigmoid": (0, 12, 12),
}


def cases(shared_dir):
    return json.loads((shared_dir / "reference" / "calculate_modules.json").read_text())


def make(text: str) -> nn.Module:
    return eval(text, dict(vars(nn)))


def module_of(case):
    text = case["module"]
    for word, value in (
        ("affine=True, bias=True", "affine=True"),
        ("elementwise_affine=True, bias=True", "bias=True"),
    ):
        text = text.replace(word, value)
    return make(text)


def data(shape, label):
    return torch.zeros(shape, dtype=torch.long) if label == "embedding" else torch.zeros(shape)


def check(found, expected, types):
    assert {key: found[key] for key in expected} == expected
    assert {key: type(found[key]).__name__ for key in expected} == types
    assert found["flop_computations"] == found["computations"]
    assert found["bit_computations"] == 32 * found["computations"]


def test_every_layer(shared_dir):
    seen = set()
    for case in cases(shared_dir)["layers"]:
        tensors = data(case["in_shape"], case["label"]), torch.zeros(case["out_shape"])
        source, result = tensors if case["passed_as"] == "tensor" else ([tensors[0]], [tensors[1]])
        found = calculate_modules(module_of(case), source, result)
        if case.get("result"):
            check(found, case["result"], case["result_types"])
            continue
        seen.add(case["label"])
        assert (found["total_parameters"], found["computations"], found["backward_computations"]) == BEYOND[
            case["label"]
        ]
        assert found["input_buffer_size"] == math.prod(case["in_shape"])
        assert found["output_buffer_size"] == math.prod(case["out_shape"])
    assert seen == set(BEYOND)


def layers_of(shared_dir, model):
    """Node -> (float layer, input shape, output shape) from the recorded metadata of a model."""
    record, arrays = load(shared_dir, model)
    for node in record["before"]["nodes"]:
        if node["op"] != "call_module":
            continue
        weight = arrays.get(f"sd.{node['target']}.weight")
        kind = node["actual_target_type"]
        if kind == "Linear":
            layer = nn.Linear(weight.shape[1], weight.shape[0])
        elif kind == "Conv1d":
            bias = f"sd.{node['target']}.bias" in arrays
            layer = nn.Conv1d(weight.shape[1], weight.shape[0], weight.shape[2], padding=1, bias=bias)
        elif kind == "BatchNorm1d":
            layer = nn.BatchNorm1d(len(weight))
        else:
            layer = {
                "ReLU": nn.ReLU(),
                "Dropout": nn.Dropout(),
                "AdaptiveAvgPool1d": nn.AdaptiveAvgPool1d(4),
            }[kind]
        common = node["common"]
        yield (
            node["name"],
            layer,
            common["args"]["data_in_0"]["shape"],
            common["results"]["data_out_0"]["shape"],
        )


TYPES = {"total_parameters": "int", "input_buffer_size": "int", "output_buffer_size": "int"}


def test_every_node(shared_dir):
    for key, nodes in cases(shared_dir)["per_node"].items():
        model, batch = key.split("@")
        found = dict.fromkeys(nodes)
        for name, layer, source, result in layers_of(shared_dir, model):
            source, result = ([torch.zeros(int(batch), *shape[1:])] for shape in (source, result))
            found[name] = calculate_modules(layer, source, result), source[0].numel(), layer
        assert set(found) == set(nodes)
        for name, expected in nodes.items():
            figures, elements, layer = found[name]
            if expected is not None:
                work = "float" if isinstance(layer, nn.Linear) else "int"
                check(figures, expected, TYPES | {"computations": work, "backward_computations": work})
            elif isinstance(layer, nn.BatchNorm1d):
                assert figures["computations"] == 4 * elements
            elif isinstance(layer, nn.Conv1d):
                assert figures["computations"] == figures["output_buffer_size"] * layer.weight[0].numel()
            else:
                assert figures["computations"] == elements


def test_the_other_names_are_the_same():
    layer, x, y = nn.Linear(16, 5), torch.zeros(8, 16), torch.zeros(8, 5)
    assert deep is calculate_modules
    assert calculate_flops_pass(layer, [x], [y]) == calculate_modules(layer, [x], [y])


@pytest.mark.parametrize("precision", [8, [8, 4], (8, None)])
def test_quantized_input_is_bit_operations(precision):
    found = calculate_modules(nn.Linear(16, 5), torch.zeros(8, 16), torch.zeros(8, 5), "integer", precision)
    assert (found["computations"], found["flop_computations"], found["bit_computations"]) == (640, 0, 5120)


def test_groups_divide_the_channels():
    layer, x = nn.Conv2d(4, 6, 3, groups=2, bias=False), torch.zeros(2, 4, 5, 5)
    found = calculate_modules(layer, x, layer(x))
    assert found["computations"] == 2 * 6 * 9 * (2 * 9)
    assert found["total_parameters"] == layer.weight.numel()


def test_meta_tensors_and_single_samples_do():
    with torch.device("meta"):
        layer, x = nn.Conv2d(3, 8, 3), torch.zeros(3, 8, 8)
        assert calculate_modules(layer, x, layer(x))["computations"] == 8 * 36 * 27


@pytest.mark.parametrize("layer", [nn.LSTM(2, 2), nn.RMSNorm(2)], ids=["no operation", "no native operation"])
def test_an_unknown_module_is_named(layer):
    with pytest.raises(ConfigError, match=f"no rule for {type(layer).__name__}"):
        calculate_modules(layer, torch.zeros(1, 2, 2), torch.zeros(1, 2, 2))
