"""integer_quantizer against recorded runs of MASE: values and gradients, bit for bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from chop.nn.quantizers import integer_quantizer


def same_bits(actual: np.ndarray, expected: np.ndarray) -> bool:
    """Equal values, signs of zero and places of NaN (a NaN's payload carries no meaning)."""
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return False
    nan = np.isnan(expected)
    equal = (actual == expected) & (np.signbit(actual) == np.signbit(expected))
    return bool(np.array_equal(np.isnan(actual), nan) and equal[~nan].all())


@pytest.fixture(scope="module")
def recorded(shared_dir):
    folder = shared_dir / "reference"
    text = (folder / "integer_quantizer.json").read_text()
    with np.load(folder / "integer_quantizer.npz") as arrays:
        return json.loads(text), dict(arrays)


def test_every_case(recorded):
    description, arrays = recorded
    assert len(description["cases"]) > 40
    for case in description["cases"]:
        key = case["key"]
        x = torch.from_numpy(arrays[f"{key}_x"]).requires_grad_()
        arguments = (case["width"], case["frac_width"], case["is_signed"])
        y = integer_quantizer(x, *arguments)
        assert same_bits(y.detach().numpy(), arrays[f"{key}_y"]), case
        with torch.no_grad():  # the road without a graph is another one
            assert same_bits(integer_quantizer(x, *arguments).numpy(), arrays[f"{key}_y"]), case
        y.backward(torch.from_numpy(arrays[f"{key}_gout"]))
        assert same_bits(x.grad.numpy(), arrays[f"{key}_gin"]), case


def test_python_numbers(recorded):
    description, _ = recorded
    for case in description["python_scalars"]:
        result = integer_quantizer(case["x"], case["width"], case["frac_width"], case["is_signed"])
        if "error" in case:  # MASE fails on floats; the grid's value is the sensible answer
            x = torch.tensor([case["x"]], dtype=torch.float64)
            expected = integer_quantizer(x, case["width"], case["frac_width"], case["is_signed"])
            assert type(result) is float and result == expected.item()
        else:
            assert result is case["y"] or (type(result) is int and result == case["y"])
