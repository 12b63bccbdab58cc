"""The integer quantizer against a NumPy oracle, and as a citizen of autograd, functorch, fx and pickle."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from chop.nn.quantizers import (
    IntegerFormat,
    IntegerQuantize,
    integer_fraction,
    integer_quantizer,
    quantizer_map,
)
from chop.nn.quantizers.integer_formula import fake_quantize_formula
from chop.tools.errors import ConfigError
from tests.nn.fixed_point_oracle import same_bits

formats = st.tuples(st.integers(1, 32), st.none() | st.integers(-64, 64), st.booleans())


def oracle(x: np.ndarray, width: int, frac_width: int | None, is_signed: bool) -> np.ndarray:
    """The definition in NumPy, with bounds in the array's own dtype."""
    frac_width = width // 2 if frac_width is None else frac_width
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if is_signed else (0, 2**width - 1)
    with np.errstate(all="ignore"):
        codes = np.rint(x * x.dtype.type(2.0**frac_width))
        # Like torch.clamp, and unlike np.clip, keep -0.0 at a bound of 0.
        codes = np.where(codes < low, x.dtype.type(low), codes)
        codes = np.where(codes > high, x.dtype.type(high), codes)
        return (codes * x.dtype.type(2.0**-frac_width)).astype(x.dtype)


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(actual, expected)
    kept = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(actual)[kept], np.signbit(expected)[kept])


@st.composite
def float_arrays(draw):
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7))
    width = np.dtype(dtype).itemsize * 8
    anything = st.floats(width=width)
    near_grid = st.integers(-600, 600).map(lambda k: k / 16)  # ties and grid points of common formats
    return draw(hnp.arrays(dtype, shape, elements=anything | near_grid))


@settings(max_examples=150, deadline=None)
@given(float_arrays(), formats)
def test_equals_the_oracle(x, format):
    y = integer_quantizer(torch.from_numpy(x), *format)
    assert y.shape == x.shape and y.dtype == torch.from_numpy(x).dtype
    assert_same(y.numpy(), oracle(x, *format))
    width, frac_width, is_signed = format
    frac_width = width // 2 if frac_width is None else frac_width
    formula = fake_quantize_formula(torch.from_numpy(x), IntegerFormat(width, frac_width, is_signed))
    assert_same(formula.numpy(), oracle(x, *format))


@settings(max_examples=60, deadline=None)
@given(float_arrays(), formats)
def test_is_idempotent_and_monotone(x, format):
    y = integer_quantizer(torch.from_numpy(x), *format)
    assert_same(integer_quantizer(y, *format).numpy(), y.numpy())
    order = np.sort(x[~np.isnan(x)].ravel())
    steps = np.diff(integer_quantizer(torch.from_numpy(order), *format).numpy())
    assert (steps >= 0).all()


@settings(max_examples=60, deadline=None)
@given(float_arrays(), formats)
def test_gradient_is_the_identity(x, format):
    leaf = torch.from_numpy(x).requires_grad_()
    y = integer_quantizer(leaf, *format)
    assert type(y.grad_fn).__name__ == "IntegerQuantizeBackward"
    gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).to(y.dtype)
    y.backward(gradient)
    assert torch.equal(leaf.grad, gradient)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float16, st.integers(0, 20), elements=st.floats(width=16)),
    formats,
    st.sampled_from(["h", "b"]),
)
def test_half_types(x, format, kind):
    dtype = torch.float16 if kind == "h" else torch.bfloat16
    tensor = torch.from_numpy(x).to(dtype)
    y = integer_quantizer(tensor, *format)
    assert y.dtype == dtype
    # The grid's value, rounded to the half type where that type cannot hold it (large codes, bounds).
    expected = integer_quantizer(tensor.float(), *format).to(dtype)
    torch.testing.assert_close(y, expected, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(torch.isnan(y), torch.isnan(tensor))


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.t(),
        lambda x: x[::2, 1::3],
        lambda x: x.expand(3, *x.shape),
        lambda x: x.flip(0).t(),
        lambda x: x[:0],
        lambda x: x.reshape(2, 3, 2, 5).to(memory_format=torch.channels_last),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_stride(view, dtype):
    x = view(torch.linspace(-9, 9, 60, dtype=dtype).reshape(6, 10))
    assert_same(integer_quantizer(x, 8, 3).numpy(), oracle(x.numpy(), 8, 3, True))


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.int64, torch.bool])
def test_integer_tensors_give_floats(dtype):
    y = integer_quantizer(torch.tensor([0, 1, 100], dtype=dtype), 6, 1)
    expected = [0.0, 1.0, 1.0] if dtype == torch.bool else [0.0, 1.0, 15.5]
    assert y.dtype == torch.get_default_dtype() and y.tolist() == expected


def test_numpy_arrays_come_back_as_numpy():
    x = np.linspace(-3, 3, 24, dtype=np.float32).reshape(4, 6)
    frozen = x[::-1].T
    frozen.flags.writeable = False
    for array in (x, frozen, x.astype(">f4"), np.array(0.3)):
        y = integer_quantizer(array, 6, 2)
        assert isinstance(y, np.ndarray) and y.shape == array.shape
        assert_same(y, oracle(array.astype(array.dtype.newbyteorder("=")), 6, 2, True))
    scalar = integer_quantizer(np.float32(0.3), 6, 2)
    assert type(scalar) is np.float32 and scalar == 0.25


@pytest.mark.parametrize("bad", [0, -3, 33, 8.0, True, "8", None])
def test_bad_width(bad):
    with pytest.raises(ConfigError, match=r"width must be 1\.\.32, got"):
        integer_quantizer(torch.zeros(1), bad, 4)


@pytest.mark.parametrize("bad", [-65, 65, 1.0, False, "4"])
def test_bad_frac_width(bad):
    with pytest.raises(ConfigError, match=r"frac_width must be -64\.\.64, got"):
        integer_quantizer(torch.zeros(1), 8, bad)


@pytest.mark.parametrize("bad", ["x", None, [1.0], np.array(["a"]), torch.zeros(2, dtype=torch.complex64)])
def test_what_is_no_number(bad):
    with pytest.raises(TypeError, match="integer_quantizer needs"):
        integer_quantizer(bad, 8, 4)


def test_functorch():
    x = torch.randn(5, 7)
    y = torch.vmap(lambda row: integer_quantizer(row, 8, 4))(x)
    assert torch.equal(y, integer_quantizer(x, 8, 4))
    gradient = torch.func.grad(lambda v: integer_quantizer(v, 8, 4).sum())(x)
    assert torch.equal(gradient, torch.ones_like(x))
    per_sample = torch.vmap(torch.func.grad(lambda v: (integer_quantizer(v, 8, 4) * 2).sum()))(x)
    assert torch.equal(per_sample, torch.full_like(x, 2))
    w = torch.randn(3, 7)
    both = torch.vmap(lambda a: torch.vmap(lambda b: integer_quantizer(a * b, 8, 4))(w))(x)
    assert torch.equal(both, integer_quantizer(x[:, None] * w, 8, 4))


def test_double_backward_and_checkpoint():
    x = torch.randn(4, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad((integer_quantizer(x, 8, 4) ** 2).sum(), x, create_graph=True)
    gradient.sum().backward()
    assert torch.equal(x.grad, torch.full_like(x, 2))
    x.grad = None
    torch.utils.checkpoint.checkpoint(
        lambda v: integer_quantizer(v, 8, 4), x, use_reentrant=False
    ).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_other_modes_of_torch():
    x = torch.randn(3, 4)
    with torch.inference_mode():
        assert torch.equal(integer_quantizer(x, 8, 4), torch.from_numpy(oracle(x.numpy(), 8, 4, True)))
    with torch.device("cpu"):  # a torch function mode is active
        assert integer_quantizer(x, 8, 4).shape == x.shape
    meta = integer_quantizer(torch.empty(3, 4, device="meta"), 8, 4)
    assert meta.device.type == "meta" and meta.shape == (3, 4)


def test_fx_sees_one_leaf():
    class Model(nn.Module):
        def forward(self, x):
            return integer_quantizer(x + 1, 8, 4) * 2

    traced = torch.fx.symbolic_trace(Model())
    targets = [node.target for node in traced.graph.nodes if node.op == "call_function"]
    assert integer_quantizer in targets
    x = torch.randn(3, requires_grad=True)
    traced(x).sum().backward()
    assert torch.equal(x.grad, torch.full((3,), 2.0))


def test_pickle_and_names():
    assert pickle.loads(pickle.dumps(IntegerQuantize)) is IntegerQuantize  # noqa: S301
    assert copy.deepcopy(integer_quantizer) is integer_quantizer
    assert quantizer_map["fixed"] is quantizer_map["integer"] is integer_quantizer
    assert set(quantizer_map) >= {"integer", "fixed"}


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 16), st.floats(-100, 100), st.floats(-100, 100))
def test_integer_fraction_leaves_room(width, a, b):
    low, high = min(a, b), max(a, b)
    choices = list(range(0, width + 1))
    frac_width = integer_fraction(width, choices, low, high)
    assert frac_width in choices
    ulp = 2.0**-frac_width
    if frac_width > 0:  # the range fits, up to rounding at the upper end
        assert -(2 ** (width - 1)) * ulp <= low and high <= 2 ** (width - 1) * ulp


def test_integer_fraction_needs_choices():
    with pytest.raises(ConfigError, match="frac_choices"):
        integer_fraction(8, [], 0, 1)


def random_view(rng: np.random.Generator) -> torch.Tensor:
    """A tensor of random bit patterns and numbers near a grid, of any dtype, shape and stride."""
    dtype, bits = [(np.float32, np.uint32), (np.float64, np.uint64)][rng.integers(2)]
    shape = tuple(rng.integers(0 if rng.random() < 0.05 else 1, 9, size=rng.integers(0, 5)))
    x = np.asarray(rng.integers(0, np.iinfo(bits).max, size=shape, dtype=bits)).view(dtype)
    near = rng.integers(-(2**12), 2**12, size=shape) / 2.0 ** rng.integers(-2, 12)
    tensor = torch.from_numpy(np.where(rng.random(shape) < 0.5, x, near.astype(dtype)).astype(dtype))
    if tensor.dim() == 0:
        return tensor.expand(3) if rng.random() < 0.5 else tensor
    tensor = tensor.permute(*rng.permutation(tensor.dim()).tolist())
    tensor = tensor[tuple(slice(int(rng.integers(2)), None, int(rng.integers(1, 4))) for _ in tensor.shape)]
    return tensor.unsqueeze(0).expand(2, *tensor.shape) if rng.random() < 0.2 else tensor


def count_differences(configurations: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    different = 0
    for number in range(configurations):
        x = random_view(rng)
        frac_width = None if rng.random() < 0.05 else int(rng.integers(-8, 41))
        if number % 10 == 0:
            frac_width = int(rng.integers(-64, 65))
        format = (int(rng.integers(1, 33)), frac_width, bool(rng.integers(2)))
        different += not same_bits(integer_quantizer(x, *format).numpy(), oracle(x.numpy(), *format))
    return different


def test_random_configurations():
    assert count_differences(10_000, seed=1) == 0


@pytest.mark.soak
def test_soak_of_random_configurations(capsys):
    """Width 1..32, fraction width -8..40 (and beyond), sign, shape, stride, dtype."""
    different = count_differences(100_000, seed=0)
    with capsys.disabled():
        print(f"\n100000 configurations, {different} differ")  # noqa: T201  the result of a soak
    assert different == 0
