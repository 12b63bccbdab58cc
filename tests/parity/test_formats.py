"""Number formats other than the integer one against recorded runs of MASE; right values win where MASE is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from chop.ir.graph import MaseGraph
from chop.nn.quantized.functional import quantized_func_map
from chop.nn.quantized.modules import quantized_module_map
from chop.nn.quantizers import quantizer_map, residual_sign_quantizer
from chop.passes import (
    add_common_metadata_analysis_pass,
    calculate_avg_bits_mg_analysis_pass,
    calculate_avg_bits_module_analysis_pass,
    init_metadata_analysis_pass,
    parse_node_config,
    quantize_transform_pass,
)


@pytest.fixture(scope="module")
def recorded(shared_dir):
    folder = shared_dir / "reference"
    if not (folder / "formats.json").is_file():
        pytest.skip("reference/formats.json is not there")
    with np.load(folder / "formats.npz") as arrays:
        return json.loads((folder / "formats.json").read_text()), dict(arrays)


def wanted(arrays, name):
    """The right array where there is one, else MASE's; None where nothing is recorded."""
    found = arrays.get(f"{name}_right", arrays.get(name))
    return None if found is None else torch.from_numpy(found)


def expected_values(arrays, key):
    return (
        wanted(arrays, f"{key}_y")
        if f"{key}_right" not in arrays
        else torch.from_numpy(arrays[f"{key}_right"])
    )


def equal(actual, expected, x=None, exact=True):
    """Equal values, zeros of either sign alike; where only the expected one is NaN, anything goes."""
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    open_ = expected.isnan() & ~(torch.zeros_like(expected) if x is None else x).isnan()
    nan = expected.isnan() & ~open_
    assert torch.equal(actual.isnan() & ~open_, nan)
    judged = ~expected.isnan()
    if exact:
        assert torch.equal(actual[judged], expected[judged])
    else:
        torch.testing.assert_close(actual[judged], expected[judged], rtol=1e-6, atol=1e-7)


def _is_a_choice(case):
    """Blocks with infinities or NaN, which MASE spoils, and a threshold that is given, which it ignores."""
    return (case["input"] == "inf, nan" and "block" in case["format"]) or "threshold" in case["params"]


def test_quantizers(recorded):
    description, arrays = recorded
    assert len(description["quantizers"]) > 300
    for case in description["quantizers"]:
        key, quantizer = case["key"], quantizer_map[case["format"]]
        expected = expected_values(arrays, key)
        if expected is None or _is_a_choice(case):
            continue
        x = torch.from_numpy(arrays[f"{key}_x"]).requires_grad_()
        torch.manual_seed(case.get("torch_seed", 0))
        y = quantizer(x, **case["params"])
        # MASE's one-dimensional scales come from float32 sums.
        scaled = case["format"] in ("binary", "ternary")
        if case["params"].get("stochastic") and not case["params"]["bipolar"]:
            assert y.shape == x.shape  # MASE gives its mean instead
        else:
            equal(y.detach(), expected.to(x.dtype), x, exact=not scaled)
        gout = torch.from_numpy(arrays.get(f"{key}_gout", np.ones(case["shape"], x.detach().numpy().dtype)))
        y.backward(gout.to(y.dtype))
        gin = wanted(arrays, f"{key}_gin")
        factor = 0.5 if case["params"].get("stochastic") else 1.0
        torch.testing.assert_close(x.grad, gout.to(x.dtype) * factor if gin is None else gin.to(x.dtype))


def test_residual(recorded):
    description, arrays = recorded
    for case in description["residual"]:
        key = case["key"]
        x, means = (torch.from_numpy(arrays[f"{key}_{n}"]).requires_grad_() for n in ("x", "means"))
        y = residual_sign_quantizer(case["levels"], None, means, x)
        expected = wanted(arrays, f"{key}_y")
        if expected is None:
            continue
        torch.testing.assert_close(y, expected)
        y.backward(torch.from_numpy(arrays[f"{key}_gout"]))
        torch.testing.assert_close(x.grad, wanted(arrays, f"{key}_gin"))
        torch.testing.assert_close(means.grad, wanted(arrays, f"{key}_gmeans"))


def test_modules(recorded):
    description, arrays = recorded
    assert len(description["modules"]) > 150
    for case in description["modules"]:
        key = case["key"]
        module = quantized_module_map[case["module"]](**case["kwargs"], config=case["config"])
        assert type(module).__name__ == case["class"], case
        assert repr(module) == case.get("repr", repr(module))
        parameters = {name for name, _ in module.named_parameters()}
        assert parameters == set(case.get("parameters", parameters))
        for name in ("weight", "bias", "gamma", "means", "pruning_masks"):
            if f"{key}_{name}" in arrays:
                value = torch.from_numpy(arrays[f"{key}_{name}"]).clone()
                getattr(module, name).data = value.reshape(getattr(module, name).shape)
        x = torch.from_numpy(arrays[f"{key}_x"]).requires_grad_()
        y = module(x.clone() if case["kwargs"].get("inplace") else x)
        torch.testing.assert_close(y, wanted(arrays, f"{key}_y"), rtol=1e-5, atol=1e-5)
        with torch.no_grad():
            torch.testing.assert_close(module(x.clone()), wanted(arrays, f"{key}_y"), rtol=1e-5, atol=1e-5)
        y.backward(torch.from_numpy(arrays[f"{key}_gout"]))
        torch.testing.assert_close(x.grad, wanted(arrays, f"{key}_gx"), rtol=1e-5, atol=1e-5)
        for name in ("weight", "bias", "gamma", "means"):
            gradient = wanted(arrays, f"{key}_g_{name}")
            if gradient is not None:
                found = getattr(module, name).grad
                torch.testing.assert_close(found, gradient.reshape(found.shape), rtol=1e-4, atol=1e-5)


def test_functions(recorded):
    description, arrays = recorded
    assert len(description["functions"]) > 150
    for case in description["functions"]:
        key = case["key"]
        operands = [arrays[f"{key}_{n}"] for n in ("x", "y") if f"{key}_{n}" in arrays]
        operands = [torch.from_numpy(each).requires_grad_() for each in operands]
        out = quantized_func_map[case["function"]](*operands, config=case["config"])
        expected = wanted(arrays, f"{key}_out")
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
        out.backward(torch.from_numpy(arrays[f"{key}_gout"]))
        for name, operand in zip("xy", operands, strict=False):
            gradient = wanted(arrays, f"{key}_g{name}")
            if gradient is not None:
                torch.testing.assert_close(operand.grad, gradient, rtol=1e-5, atol=1e-5)


def test_entries_that_the_parser_keeps(recorded):
    description, _ = recorded
    for name, entry in description["entries"].items():
        for mase_op, kept in entry["kept"].items():
            found = set(parse_node_config(entry["config"], mase_op))
            assert found - {"data_in_skip_first_dim"} == set(kept), (name, mase_op)


def test_names(recorded):
    description, _ = recorded
    assert set(description["keys"]["quantizers"]) <= set(quantizer_map)
    missing = set(description["keys"]["modules"]) - set(quantized_module_map)
    assert missing == {
        "adaptive_avg_pool2d_integer", "avg_pool2d_integer", "conv2d_logicnets", "conv2d_lutnet",
        "linear_logicnets", "linear_lutnet",
    }  # fmt: skip
    assert set(description["keys"]["functions"]) <= set(quantized_func_map)


class Net(nn.Module):
    def __init__(self, state) -> None:
        super().__init__()
        for name in ("fc1", "fc2", "fc3"):
            out, inputs = state[f"{name}.weight"].shape
            setattr(self, name, nn.Linear(inputs, out))
        self.relu = nn.ReLU()
        self.load_state_dict(state)

    def forward(self, x):
        x = self.relu(self.fc1(x))
        return self.fc3(torch.add(x, self.fc2(x)))


def test_passes(recorded):
    description, arrays = recorded
    state = {
        k.removeprefix("net.sd."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("net.sd.")
    }
    x = torch.from_numpy(arrays["net.x"])
    for case in description["passes"]:
        graph = MaseGraph(Net(state).eval())
        graph, _ = init_metadata_analysis_pass(graph, None)
        graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}})
        graph, _ = quantize_transform_pass(graph, case["pass_args"])
        expected = wanted(arrays, f"net.{case['format']}_y")
        if expected is not None:
            torch.testing.assert_close(graph.model(x), expected, rtol=1e-5, atol=1e-5)
        nodes = {node.name: node for node in graph.nodes}
        for node in case["nodes"]:
            common = nodes[node["name"]].meta["mase"]["common"]
            for part in ("args", "results"):
                for name, entry in node[part].items():
                    found = common[part][name]
                    assert (found["type"], found["precision"]) == (entry["type"], entry["precision"]), node
        _, averages = calculate_avg_bits_module_analysis_pass(graph.model, None)
        assert averages["average_bitwidth"] == pytest.approx(case["average_bitwidth"])
        _, bits = calculate_avg_bits_mg_analysis_pass(graph, None)
        assert bits["w_avg_width"] == pytest.approx(case["average_bitwidth"])
        if "error" not in case["graph_pass"]:
            assert bits["w_avg_bit"] == pytest.approx(case["graph_pass"]["w_avg_bit"])
