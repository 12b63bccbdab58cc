"""Quantized layers and functions, with and without gradients, against the NumPy oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chop.nn.quantized.functional import quantized_func_map
from chop.nn.quantized.modules import Conv1dInteger, Conv2dInteger, LinearInteger, ReLUInteger
from chop.nn.quantizers import OVERFLOW_MODES, ROUNDING_MODES
from tests.nn import numpy_layers as oracle

widths, fracs = st.integers(1, 16), st.none() | st.integers(-4, 18)


@st.composite
def configs(draw, with_bias=True):
    config = {"name": "integer", "bypass": draw(st.sampled_from([False, False, False, True]))}
    names = ("data_in", "weight", "bias") if with_bias and draw(st.booleans()) else ("data_in", "weight")
    for name in names:
        config |= {f"{name}_width": draw(widths), f"{name}_frac_width": draw(fracs)}
    for name in ("data_in", "weight", "bias"):
        for key, modes in (("rounding", ROUNDING_MODES), ("overflow", OVERFLOW_MODES)):
            if draw(st.booleans()):
                config[f"{name}_{key}"] = draw(st.sampled_from(modes))
    return config


def values(seed: int, *shape: int, dtype=np.float32) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = 2.0 ** rng.integers(-6, 6)
    on_ties = rng.integers(-40, 40, shape) / 8
    return np.where(rng.random(shape) < 0.5, rng.normal(size=shape) * scale, on_ties).astype(dtype)


def fill(module: torch.nn.Module, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Give the module weights and return them."""
    weight = values(seed, *module.weight.shape)
    bias = None if module.bias is None else values(seed + 1, *module.bias.shape)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weight))
        if bias is not None:
            module.bias.copy_(torch.from_numpy(bias))
    return weight, bias


def is_exact(config, terms: int, bias: np.ndarray | None) -> bool:
    """True where every partial sum fits the 24 bits of a float32, whatever the values."""
    bits = config["data_in_width"] + config["weight_width"] + int(np.ceil(np.log2(terms)))
    return not config["bypass"] and bias is None and bits <= 24


def assert_close(actual: torch.Tensor, expected: np.ndarray, terms: int, exact: bool = False) -> None:
    """Equal, or within the rounding of a float32 sum of that many terms."""
    assert actual.shape == expected.shape
    if exact:
        np.testing.assert_array_equal(actual.detach().numpy(), expected)
    scale = float(np.abs(expected).max(initial=1e-30))
    tolerance = scale * (terms + 2) * 1e-6
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=3e-6, atol=tolerance)


def check(
    module: torch.nn.Module, x: np.ndarray, expected: np.ndarray, terms: int, exact: bool = False
) -> None:
    tensor = torch.from_numpy(x)
    strided = tensor.transpose(0, -1).contiguous().transpose(0, -1)
    with torch.no_grad():
        for each in (tensor, strided):
            assert_close(module(each), expected, terms, exact)
    assert_close(module(tensor.requires_grad_()), expected, terms, exact)


@settings(max_examples=120, deadline=None)
@given(
    configs(),
    st.lists(st.integers(0, 9), max_size=2),
    st.integers(1, 140),
    st.integers(1, 70),
    st.booleans(),
    st.integers(0, 99),
)
def test_linear(config, batch, features, outputs, has_bias, seed):
    layer = LinearInteger(features, outputs, has_bias, config=config)
    weight, bias = fill(layer, seed)
    x = values(seed + 2, *batch, features)
    expected = oracle.linear(x, weight, bias, config)
    check(layer, x, expected, features, is_exact(config, features, bias))


convolutions = st.fixed_dictionaries(
    {
        "groups": st.integers(1, 3),
        "ins": st.integers(1, 3),
        "outs": st.integers(1, 6),
        "kernel": st.integers(1, 4),
        "stride": st.integers(1, 3),
        "dilation": st.integers(1, 3),
        "padding": st.integers(0, 3) | st.sampled_from(["same", "valid"]),
        "padding_mode": st.sampled_from(["zeros", "zeros", "circular", "reflect", "replicate"]),
        "bias": st.booleans(),
    }
)


def pads(layer) -> tuple[tuple[int, int], ...]:
    flat = layer._reversed_padding_repeated_twice
    return tuple((flat[2 * i], flat[2 * i + 1]) for i in reversed(range(len(flat) // 2)))


def check_convolution(kind, case, config, size, batch, seed):
    if case["padding"] == "same":
        case = {**case, "stride": 1}
    inputs, outputs = case["ins"] * case["groups"], case["outs"] * case["groups"]
    names = ("stride", "dilation", "padding", "padding_mode", "groups", "bias")
    layer = kind(inputs, outputs, case["kernel"], **{name: case[name] for name in names}, config=config)
    longest = max(max(pad) for pad in pads(layer))
    assume(longest < min(size))  # reflect and circular need as much input
    reach = case["dilation"] * (case["kernel"] - 1) + 1
    assume(all(s + sum(pad) >= reach for s, pad in zip(size, pads(layer), strict=True)))
    weight, bias = fill(layer, seed)
    x = values(seed + 2, batch, inputs, *size)
    arguments = (layer.stride, pads(layer), layer.dilation, layer.groups, layer.padding_mode)
    expected = oracle.conv(x, weight, bias, config, *arguments)
    exact = is_exact(config, weight[0].size, bias)
    check(layer, x, expected, weight[0].size, exact)
    one = layer(torch.from_numpy(x[0]))
    assert_close(one, expected[0], weight[0].size, exact)


@settings(max_examples=120, deadline=None)
@given(convolutions, configs(), st.integers(1, 40), st.integers(1, 4), st.integers(0, 99))
def test_conv1d(case, config, length, batch, seed):
    check_convolution(Conv1dInteger, case, config, (length,), batch, seed)


@settings(max_examples=40, deadline=None)
@given(convolutions, configs(), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(0, 99))
def test_conv2d(case, config, size, seed):
    check_convolution(Conv2dInteger, case, config, size, 2, seed)


@settings(max_examples=40, deadline=None)
@given(configs(), st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 99))
def test_relu(config, shape, seed):
    x = values(seed, *shape)
    expected = oracle.relu(x, config)
    check(ReLUInteger(config=config), x, expected, terms=0)
    assert_close(quantized_func_map["relu_integer"](torch.from_numpy(x), config=config), expected, 0)


SHAPES = [((4, 7), (4, 7)), ((4, 7), (7,)), ((2, 1, 3), (5, 1)), ((3,), ()), ((0, 2), (2,))]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["add", "sub", "mul"]),
    configs(with_bias=False),
    st.sampled_from(SHAPES),
    st.integers(0, 99),
)
def test_elementwise_functions(name, config, shapes, seed):
    function = quantized_func_map[f"{name}_integer"]
    numpy = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[name]
    x, y = values(seed, *shapes[0]), values(seed + 1, *shapes[1])
    on_x, on_y = (oracle.operand(v, config, "data_in") for v in (x, y))
    tensors = [torch.from_numpy(v) for v in (x, y)]
    assert_close(function(*tensors, config), numpy(on_x, on_y), 2)
    number = float(values(seed + 3)) * 1.1
    on_number = oracle.operand(np.array(number), config, "data_in")
    assert_close(function(tensors[0], number, config), numpy(on_x, on_number), 2)
    assert_close(function(number, tensors[0], config), numpy(on_number, on_x), 2)
    whole = 3  # not quantized
    assert_close(function(tensors[0], whole, config), numpy(on_x, whole), 2)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([("matmul", (4, 5), (5, 3)), ("matmul", (2, 3, 4), (4,)), ("bmm", (2, 3, 4), (2, 4, 5))]),
    configs(with_bias=False),
    st.integers(0, 99),
)
def test_matrix_products(case, config, seed):
    name, left, right = case
    x, y = values(seed, *left), values(seed + 1, *right)
    expected = oracle.operand(x, config, "data_in") @ oracle.operand(y, config, "weight")
    found = quantized_func_map[f"{name}_integer"](torch.from_numpy(x), torch.from_numpy(y), config)
    assert_close(found, expected, left[-1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "make", [lambda c: LinearInteger(6, 4, config=c), lambda c: Conv1dInteger(6, 4, 1, config=c)]
)
def test_other_dtypes(make, dtype):
    config = {"name": "integer"} | {
        f"{n}_{f}": v for n in ("data_in", "weight") for f, v in (("width", 8), ("frac_width", 4))
    }
    layer = make(config)
    x = torch.randn(2, 6, 3)
    x = x if isinstance(layer, Conv1dInteger) else x.mT.contiguous()
    y = layer.to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    if dtype == torch.float64:
        assert torch.allclose(y.float(), layer.float()(x), atol=1e-5)
