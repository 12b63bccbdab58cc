"""Number formats against definitions in NumPy's float64 and against libraries, over parameters, shapes and strides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import library

from chop.nn.quantizers import QUANTIZERS, quantizer_map
from chop.nn.quantizers.number_format import FIRST_DIM, core_number
from chop.nn.quantizers.value_spec import ValueSpec
from chop.tools.errors import ConfigError
from tests.nn import number_formats as right

VALUE_FORMATS = sorted(n for n, s in QUANTIZERS.items() if isinstance(s, ValueSpec) and s.is_a_quantizer)
EXAMPLES = {
    "minifloat_ieee": {"width": 8, "exponent_width": 4},
    "minifloat_denorm": {"width": 8, "exponent_width": 4},
    "log": {"width": 6},
    "block_fp": {"width": 6, "exponent_width": 8, "block_size": [1, 4]},
    "block_minifloat": {"width": 6, "exponent_width": 2, "exponent_bias_width": 6, "block_size": [1, 4]},
    "block_log": {"width": 4, "exponent_bias_width": 8, "block_size": [1, 4]},
    "binary": {"bipolar": True},
    "ternary": {"scaling_factor": True},
    "scale_integer": {"width": 5},
}


def values(seed, shape, scale=1.0):
    random = np.random.default_rng(seed)
    x = random.normal(size=shape) * scale * 2.0 ** random.integers(-12, 6, shape)
    flat = x.reshape(-1)
    flat[:: max(1, flat.size // 7)] = 2.0 ** random.integers(-9, 5)  # powers of two and zeros are special
    flat[3 :: max(1, flat.size // 3)] = 0.0
    return x.astype(np.float32)


def same(actual, expected):
    return np.array_equal(np.asarray(actual, np.float64), np.asarray(expected, np.float64))


shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
blocks = st.lists(st.sampled_from([-1, 1, 2, 3, 4, 7, 16]), min_size=1, max_size=4)
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 12), st.integers(1, 8), st.sampled_from([None, -3, 0, 5, 300]), shapes, seeds)
def test_small_floats(width, exponent_width, bias, shape, seed):
    x = values(seed, shape)
    for name, least in (("minifloat_ieee", 0), ("minifloat_denorm", 1)):
        if width - exponent_width - 1 < least:
            with pytest.raises(ConfigError, match="exponent_width"):
                quantizer_map[name](torch.from_numpy(x), width, exponent_width, bias)
            continue
        y = quantizer_map[name](torch.from_numpy(x), width, exponent_width, bias)
        with np.errstate(over="ignore"):
            expected = getattr(right, name)(x, width, exponent_width, bias)
        top = np.abs(expected) >= 2.0**128  # beyond float32 its own largest value counts
        assert same(y.numpy()[~top], np.float32(expected[~top]))
        assert np.isfinite(y.numpy()).all()
        assert np.array_equal(np.signbit(y.numpy()), np.signbit(x))


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 8), st.sampled_from([None, -3, 0, 5]), shapes, seeds)
def test_powers_of_two(width, bias, shape, seed):
    x = values(seed, shape)
    assert same(quantizer_map["log"](torch.from_numpy(x), width, bias).numpy(), right.log(x, width, bias))


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 10), st.integers(1, 8), blocks, st.booleans(), shapes, seeds)
def test_blocks(width, second, block_size, skip, shape, seed):
    x = values(seed, shape)
    calls = [
        ("block_fp", (width, max(second, 2), None)),
        ("block_log", (min(width, 7), second)),
    ]
    if width - second >= 1:
        calls.append(("block_minifloat", (width, min(second, 5), 8)))
    for name, arguments in calls:
        y = quantizer_map[name](torch.from_numpy(x), *arguments, block_size, skip)
        expected = getattr(right, name)(x, *arguments, block_size, skip)
        assert same(y.numpy(), np.float32(expected)), name  # powers of two below float32's are zero in it


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(right.MX)), st.sampled_from([32, 5, 1]), shapes, seeds)
def test_microscaling(name, block_size, shape, seed):
    x = values(seed, shape)
    assert same(quantizer_map[name](torch.from_numpy(x), block_size).numpy(), right.mx(name, x, block_size))


@settings(max_examples=60, deadline=None)
@given(shapes, st.booleans(), seeds)
def test_two_and_three_values(shape, flag, seed):
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    y = quantizer_map["ternary"](torch.from_numpy(x), scaling_factor=flag).numpy()
    np.testing.assert_allclose(y, right.ternary(x, flag), rtol=1e-6)
    y = quantizer_map["binary"](torch.from_numpy(x), bipolar=flag).numpy()
    np.testing.assert_allclose(y, right.binary(x, flag), rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), shapes, seeds, st.sampled_from(["tensor", "channel", "row", 3]))
def test_scaled_integers_against_torch(width, shape, seed, granularity):
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).double()
    most = 2 ** (width - 1) - 1
    y = quantizer_map["scale_integer"](x, width, granularity)
    if granularity == "tensor":
        scale = x.abs().max() / most
    elif granularity == "channel":
        scale = (
            x.abs().flatten(1).amax(1).reshape(-1, *[1] * (x.dim() - 1)) / most
            if x.dim() > 1
            else x.abs().max() / most
        )
    elif granularity == "row":
        scale = x.abs().amax(-1, keepdim=True) / most
    else:
        return
    torch.testing.assert_close(
        y, torch.clamp((x / scale).round(), -most, most) * scale, rtol=1e-12, atol=1e-300
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 24), st.integers(-120, 110), seeds)
def test_scaled_integers_next_to_a_half_are_those_of_a_division(width, size, seed):
    random, most = np.random.default_rng(seed), 2 ** (width - 1) - 1
    largest = (random.uniform(1, 2, (90, 1)) * 2.0**size).astype(np.float32)
    halves = (random.integers(-most, most, (90, 69)) + 0.5) * (largest.astype(np.float64) / most)
    x = halves.astype(np.float32)
    x[::3] = np.nextafter(x[::3], np.float32(np.inf))
    x[:, :1] = largest
    scale = np.abs(x).max(1, keepdims=True).astype(np.float64) / most
    expected = (np.clip(np.rint(x / scale), -most, most) * scale).astype(np.float32)
    y = quantizer_map["scale_integer"](torch.from_numpy(x), width, "row").numpy()
    np.testing.assert_array_equal(y, expected)
    one = scale[0, 0]
    y = quantizer_map["scale_integer"](torch.from_numpy(x), width, scale=float(one)).numpy()
    np.testing.assert_array_equal(y, (np.clip(np.rint(x / one), -most, most) * one).astype(np.float32))


def test_a_given_scale_and_zero_point_against_torch():
    x = torch.randn(4000) * 3
    y = quantizer_map["scale_integer"](x, 8, symmetric=False, scale=0.0625, zero_point=37)
    assert torch.equal(y, torch.fake_quantize_per_tensor_affine(x, 0.0625, 37, 0, 255))


@pytest.mark.parametrize("name", VALUE_FORMATS)
def test_strides_do_not_matter(name):
    quantize = lambda x: quantizer_map[name](x, **EXAMPLES.get(name, {}))  # noqa: E731
    x = torch.from_numpy(values(1, (6, 10, 8)))
    for view in (x.permute(2, 0, 1), x[:, ::2], x[..., 3:], x[:1].expand(4, 10, 8)):
        assert torch.equal(quantize(view), quantize(view.contiguous()))


@pytest.mark.parametrize("name", VALUE_FORMATS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_dtypes(name, dtype):
    x = (torch.randn(3, 8) * 4).to(dtype)
    y = quantizer_map[name](x, **EXAMPLES.get(name, {}))
    assert y.dtype == (dtype if dtype.is_floating_point else torch.float32)
    wide = quantizer_map[name](x.double(), **EXAMPLES.get(name, {}))
    assert torch.equal(y, wide.to(y.dtype))


@pytest.mark.parametrize("name", VALUE_FORMATS)
def test_gradient_is_that_of_the_identity(name):
    x = (torch.randn(3, 8) * 100).requires_grad_()
    quantizer_map[name](x, **EXAMPLES.get(name, {})).backward(gradient := torch.randn(3, 8))
    assert torch.equal(x.grad, gradient)


@pytest.mark.parametrize("name", VALUE_FORMATS)
def test_the_operator_keeps_torchs_rules(name):
    format = QUANTIZERS[name].format(**EXAMPLES.get(name, {}))
    arguments = (
        core_number(name),
        list(format.numbers),
        list(format.block_size),
        FIRST_DIM.index(format.first_dim),
    )
    x = torch.randn(3, 8, requires_grad=True)
    library.opcheck(torch.ops.chop.format_quantize.default, (x, *arguments))
    stacked = torch.randn(4, 3, 8)
    quantize = lambda v: torch.ops.chop.format_quantize(v, *arguments)  # noqa: E731
    assert torch.equal(torch.vmap(quantize)(stacked), torch.stack([quantize(v) for v in stacked]))


def test_compiled_models_of_all_formats_give_the_same():
    from chop.nn.quantized.modules import quantized_module_map

    for name in VALUE_FORMATS:
        torch._dynamo.reset()  # all layers of a kind count as recompilations of one function
        spec = QUANTIZERS[name]
        renamed = {v: k for k, v in spec.arguments.items()}
        entries = {"width": 2, "stochastic": False, "exponent_bias": None} | EXAMPLES.get(name, {})
        fields = {
            f"{o}_{renamed.get(k, k)}": v
            for o, (k, v) in itertools.product(("data_in", "weight"), entries.items())
            if renamed.get(k, k) in (*spec.fields, *spec.optional_fields)
        }
        layer = quantized_module_map[f"linear_{name}"](16, 8, config={"name": name, **fields})
        x = torch.randn(5, 16)
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(x), layer(x)), name
        a, b = (torch.autograd.grad(each(x).sum(), layer.weight)[0] for each in (layer, compiled))
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", ["block_fp", "block_minifloat", "block_log", *sorted(right.MX)])
def test_special_numbers_in_a_block(name):
    x = torch.ones(2, 8)
    x[0, 1], x[1, 2] = float("nan"), float("inf")
    y = quantizer_map[name](x, **EXAMPLES.get(name, {}))
    assert y[0, 1].isnan() and torch.isfinite(y[1]).all()
    assert torch.equal(y[0, 4:], quantizer_map[name](torch.ones(2, 8), **EXAMPLES.get(name, {}))[0, 4:])


def test_an_unknown_number_of_a_format_is_refused():
    with pytest.raises(ValueError, match="no number format"):
        torch.ops.chop.format_quantize(torch.ones(2), 7, [], [])
    with pytest.raises(ValueError, match="takes 2 numbers, got 1"):
        torch.ops.chop.format_quantize(torch.ones(2), core_number("log"), [4.0], [])


def test_more_significant_bits_than_the_dtype_are_refused():
    with pytest.raises(ConfigError, match="significant bits"):
        quantizer_map["minifloat_ieee"](torch.ones(2), 32, 4)
    assert quantizer_map["minifloat_ieee"](torch.ones(2).double() / 3, 32, 4).dtype == torch.float64
