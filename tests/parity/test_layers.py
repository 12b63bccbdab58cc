"""Quantized layers and functions against recorded runs of MASE."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from chop.nn.quantized.functional import FUNCTIONS, quantized_func_map
from chop.nn.quantized.modules import quantized_module_map


@pytest.fixture(scope="module")
def recorded(shared_dir):
    folder = shared_dir / "reference"
    text = (folder / "quantized_layers.json").read_text()
    with np.load(folder / "quantized_layers.npz") as arrays:
        return json.loads(text), {name: torch.from_numpy(array) for name, array in arrays.items()}


def build(case, arrays):
    module = quantized_module_map[case["module"]](**case["kwargs"], config=case["config"])
    for name in ("weight", "bias"):
        if f"{case['key']}_{name}" in arrays:
            setattr(module, name, nn.Parameter(arrays[f"{case['key']}_{name}"].clone()))
    return module


def test_layers(recorded):
    description, arrays = recorded
    assert len(description["modules"]) == 50
    for case in description["modules"]:
        key, module = case["key"], build(case, arrays)
        assert type(module).__name__ == case["class"]
        assert repr(module) == case["repr"]
        x = arrays[f"{key}_x"].clone().requires_grad_()
        # A bypassed or in-place ReLU must not write into a leaf.
        y = module(x.clone() if case["kwargs"].get("inplace") else x)
        torch.testing.assert_close(y, arrays[f"{key}_y"], rtol=1e-5, atol=1e-5)
        with torch.no_grad():  # the road without a graph is another one
            torch.testing.assert_close(module(x.clone()), arrays[f"{key}_y"], rtol=1e-5, atol=1e-5)
        y.backward(arrays[f"{key}_gout"])
        torch.testing.assert_close(x.grad, arrays[f"{key}_gx"], rtol=1e-5, atol=1e-5)
        for name in ("weight", "bias"):
            if f"{key}_g_{name}" in arrays:
                gradient = getattr(module, name).grad
                torch.testing.assert_close(gradient, arrays[f"{key}_g_{name}"], rtol=1e-5, atol=1e-5)


def test_quantized_operands(recorded):
    description, arrays = recorded
    checked = 0
    for case in description["modules"]:
        if case["config"].get("bypass"):
            continue
        key, module = case["key"], build(case, arrays)
        for letter, operand in (("w", "weight"), ("b", "bias"), ("x", "x")):
            if f"{key}_q{operand}" in arrays:
                quantizer = getattr(module, f"{letter}_quantizer")
                assert torch.equal(quantizer(arrays[f"{key}_{operand}"]), arrays[f"{key}_q{operand}"]), (
                    key,
                    operand,
                )
                checked += 1
        if hasattr(module, "weight"):
            assert torch.equal(module.get_quantized_weight(), arrays[f"{key}_qweight"])
            codes = module.int_weight
            assert not codes.is_floating_point()
            assert torch.equal((codes.double() * module.scale).float(), arrays[f"{key}_qweight"])
    assert checked > 60


@pytest.mark.parametrize("grad", [True, False])
def test_functions(recorded, grad):
    description, arrays = recorded
    assert {case["function"].partition("_")[0] for case in description["functions"]} == set(FUNCTIONS)
    for case in description["functions"]:
        key = case["key"]
        operands = [arrays[f"{key}_{name}"].clone() for name in ("x", "y") if f"{key}_{name}" in arrays]
        operands = [operand.requires_grad_(grad) for operand in operands]
        out = quantized_func_map[case["function"]](*operands, config=case["config"])
        torch.testing.assert_close(out, arrays[f"{key}_out"], rtol=1e-5, atol=1e-5)
        if case["function"] in ("add_integer", "sub_integer", "relu_integer"):
            assert torch.equal(out, arrays[f"{key}_out"]), "sums of grid points are exact"
        if grad:
            out.backward(arrays[f"{key}_gout"])
            for name, operand in zip("xy", operands, strict=False):
                torch.testing.assert_close(operand.grad, arrays[f"{key}_g{name}"], rtol=1e-5, atol=1e-5)
