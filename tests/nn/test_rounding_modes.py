"""Rounding and overflow modes of the integer quantizer, against whole numbers of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chop.nn.quantizers import (
    OVERFLOW_MODES,
    QUANTIZERS,
    ROUNDING_MODES,
    IntegerFormat,
    IntegerQuantize,
    IntegerSpec,
    integer_quantizer,
)
from chop.nn.quantizers.integer_formula import fake_quantize_formula
from chop.tools.errors import ConfigError
from tests.nn.fixed_point_oracle import MODES, assert_same_bits, quantized, same_bits
from tests.nn.test_integer_quantizer import float_arrays, random_view

modes = st.sampled_from(MODES)
formats = st.tuples(st.integers(1, 32), st.integers(-64, 64), st.booleans(), modes).map(
    lambda parts: (*parts[:3], *parts[3])
)


def corner_cases(dtype: type, width: int, frac_width: int, is_signed: bool) -> np.ndarray:
    """Zeros, what is no number, the smallest and largest numbers, and the surroundings of ties and of the range."""
    info = np.finfo(dtype)
    values = [0.0, np.nan, np.inf, info.max, info.tiny, info.smallest_subnormal, 1 / 3, 1e-30, 1e30]
    values += [2.0 ** (info.nmant + k) + part for k in (-1, 0, 1) for part in (0.5, 1.0, 1.5)]
    step = 2.0**-frac_width
    high = 2.0 ** (width - 1 if is_signed else width)
    values += [(k / 4) * step for k in range(-13, 14)]
    values += [(edge + k / 2) * step for edge in (-high, high, 2 * high, 3 * high) for k in range(-3, 4)]
    with np.errstate(over="ignore"):
        near = np.array(values, dtype=dtype)
        near = np.concatenate([near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf))])
    return np.concatenate([near, -near])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_corner_cases(dtype, mode):
    for width in (1, 2, 8, 16, 24, 25, 31, 32):
        for frac_width in (-64, -3, 0, 5, 30, 64):
            for is_signed in (True, False):
                x = corner_cases(dtype, width, frac_width, is_signed)
                format = (width, frac_width, is_signed, *mode)
                expected = quantized(x, format)
                assert_same_bits(integer_quantizer(torch.from_numpy(x), *format).numpy(), expected)
                formula = fake_quantize_formula(torch.from_numpy(x), IntegerFormat(*format))
                assert_same_bits(formula.numpy(), expected)


@settings(max_examples=150, deadline=None)
@given(float_arrays(), formats)
def test_equals_the_oracle(x, format):
    expected = quantized(x, format)
    assert_same_bits(integer_quantizer(torch.from_numpy(x), *format).numpy(), expected)
    assert_same_bits(fake_quantize_formula(torch.from_numpy(x), IntegerFormat(*format)).numpy(), expected)


@settings(max_examples=60, deadline=None)
@given(float_arrays(), formats)
def test_codes_lie_in_the_range_and_stay_there(x, format):
    width, frac_width, is_signed, _, _ = format
    grid = IntegerFormat(width, frac_width, is_signed)
    y = integer_quantizer(torch.from_numpy(x), *format)
    kind = x.dtype.type
    codes = y.numpy()[~np.isnan(y.numpy())] * kind(2.0**frac_width)
    assert ((codes >= kind(grid.qmin)) & (codes <= kind(grid.qmax))).all()
    if width <= 24 or x.dtype == np.float64:  # else the upper end may not be a code of the dtype
        again = integer_quantizer(y, *format).numpy()
        np.testing.assert_array_equal(again, y.numpy())


@settings(max_examples=60, deadline=None)
@given(float_arrays(), formats)
def test_gradient_is_the_identity_in_every_mode(x, format):
    leaf = torch.from_numpy(x).requires_grad_()
    gradient = torch.randn(leaf.shape, generator=torch.Generator().manual_seed(0)).to(leaf.dtype)
    integer_quantizer(leaf, *format).backward(gradient)
    assert torch.equal(leaf.grad, gradient)


@pytest.mark.parametrize("mode", MODES)
def test_half_types_and_integers(mode):
    x = torch.linspace(-20, 20, 641)
    for dtype in (torch.float16, torch.bfloat16):
        y = integer_quantizer(x.to(dtype), 6, 2, True, *mode)
        assert y.dtype == dtype
        assert torch.equal(y, integer_quantizer(x.to(dtype).float(), 6, 2, True, *mode).to(dtype))
    whole = torch.arange(-700, 700)
    for frac_width in (-3, 2):
        y = integer_quantizer(whole, 6, frac_width, True, *mode)
        assert_same_bits(y.double().numpy(), quantized(whole.double().numpy(), (6, frac_width, True, *mode)))


@pytest.mark.parametrize("mode", MODES)
def test_functorch_numpy_and_other_ways_in(mode):
    x = torch.randn(5, 7) * 9
    y = integer_quantizer(x, 8, 4, True, *mode)
    assert torch.equal(torch.vmap(lambda row: integer_quantizer(row, 8, 4, True, *mode))(x), y)
    slope = torch.vmap(torch.func.grad(lambda v: (integer_quantizer(v, 8, 4, True, *mode) * 2).sum()))(x)
    assert torch.equal(slope, torch.full_like(x, 2))
    assert torch.equal(IntegerQuantize.apply(x, 8, 4, True, *mode), y)
    assert np.array_equal(integer_quantizer(x.numpy(), 8, 4, True, *mode), y.numpy())
    assert integer_quantizer(float(x[0, 0]), 8, 4, rounding=mode[0], overflow=mode[1]) == y[0, 0].item()
    assert torch.equal(QUANTIZERS["integer"].quantizer(IntegerFormat(8, 4, True, *mode))(x), y)


def test_old_calls_of_the_autograd_function_work():
    x = torch.randn(3, 4, requires_grad=True)
    IntegerQuantize.apply(x, 8, 4).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))
    slope = torch.vmap(torch.func.grad(lambda v: IntegerQuantize.apply(v, 8, 4).sum()))(x.detach())
    assert torch.equal(slope, torch.ones_like(x))


def test_fx_keeps_the_modes():
    class Model(nn.Module):
        def forward(self, x):
            return integer_quantizer(x, 8, 4, rounding="floor", overflow="wrap")

    x = torch.randn(50) * 20
    assert torch.equal(torch.fx.symbolic_trace(Model())(x), Model()(x))


def test_compile():
    compiled = torch.compile(
        lambda v: integer_quantizer(v, 6, 3, True, "half_up", "wrap") * 2, fullgraph=True, backend="aot_eager"
    )
    x = torch.randn(40) * 9
    assert torch.equal(compiled(x), integer_quantizer(x, 6, 3, True, "half_up", "wrap") * 2)


@pytest.mark.parametrize(
    ("modes", "message"),
    [
        (
            {"rounding": "flor"},
            r"rounding must be one of half_even, floor, half_up, got 'flor' \(did you mean 'floor'",
        ),
        ({"rounding": None}, "rounding must be one of half_even, floor, half_up, got None"),
        ({"overflow": "warp"}, r"overflow must be one of saturate, wrap, got 'warp' \(did you mean 'wrap'"),
        ({"overflow": 1}, "overflow must be one of saturate, wrap, got 1"),
        ({"overflow": ["wrap"]}, "overflow must be one of saturate, wrap, got \\['wrap'\\]"),
    ],
)
def test_unknown_modes(modes, message):
    with pytest.raises(ConfigError, match=message):
        integer_quantizer(torch.zeros(1), 8, 4, **modes)


def test_core_and_python_have_the_same_names():
    for number, name in enumerate(ROUNDING_MODES):
        assert IntegerFormat(8, 4, rounding=name).mode_numbers == (number, 0)
    for number, name in enumerate(OVERFLOW_MODES):
        assert IntegerFormat(8, 4, overflow=name).mode_numbers == (0, number)
    for field, names in (("rounding", ROUNDING_MODES), ("overflow", OVERFLOW_MODES)):
        listed = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
        numbers = (99, 0) if field == "rounding" else (0, 99)
        with pytest.raises(
            ValueError, match=f"{field} must be {listed}, got 99".replace("(", r"\(").replace(")", r"\)")
        ):
            torch.ops.chop.integer_quantize(torch.zeros(1), 8, 4, True, *numbers)


def test_a_derived_quantizer_computes_layers_with_its_own_function():
    class Doubling(IntegerSpec):
        name = "doubling"
        class_suffix = "Doubling"

        def quantizer(self, format):
            return lambda x: x * 2

    assert Doubling().fused({"data_in": IntegerFormat(8, 4)}) is None
    assert (
        QUANTIZERS["integer"].fused(dict.fromkeys(("data_in", "weight", "bias"), IntegerFormat(8, 4)))
        is not None
    )


def count_differences(configurations: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    different = 0
    for number in range(configurations):
        x = random_view(rng)
        x = x.reshape(-1)[:: max(1, x.numel() // 60)]  # the oracle takes its time
        frac_width = int(rng.integers(-64, 65) if number % 10 == 0 else rng.integers(-8, 41))
        format = (int(rng.integers(1, 33)), frac_width, bool(rng.integers(2)), *MODES[rng.integers(6)])
        different += not same_bits(integer_quantizer(x, *format).numpy(), quantized(x.numpy(), format))
    return different


def test_random_configurations():
    assert count_differences(2_000, seed=1) == 0


@pytest.mark.soak
def test_soak_of_random_configurations(capsys):
    """Width 1..32, fraction width -8..40 (and beyond), sign, modes, stride, dtype."""
    different = count_differences(100_000, seed=0)
    with capsys.disabled():
        print(f"\n100000 configurations in all modes, {different} differ")  # noqa: T201  the result of a soak
    assert different == 0
