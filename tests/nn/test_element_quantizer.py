"""Formats of single elements against an own oracle on Python's whole numbers, element by element, bit for bit."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx, nn

from chop.nn.quantizers import ElementFormat, ElementQuantizer, element_quantizer, straight_through
from chop.tools.errors import ConfigError
from tests.nn.fixed_point_oracle import MODES, assert_same_bits, value


def oracle(x: np.ndarray, widths: np.ndarray, fracs: np.ndarray, signed: bool, *modes: str) -> np.ndarray:
    kind, found = x.dtype.type, np.empty(x.shape, x.dtype)
    widths, fracs = np.broadcast_to(widths, x.shape), np.broadcast_to(fracs, x.shape)
    for place in np.ndindex(x.shape):
        width, frac = int(widths[place]), int(fracs[place])
        found[place] = value(float(x[place]), kind, (width, frac, signed, *modes)) if width else kind(0)
    return found


def numbers(seed: int, shape: tuple[int, ...], fracs: np.ndarray, dtype: str) -> np.ndarray:
    """Ties, values far outside, tiny ones, zeros of both signs, and what is no number."""
    random = np.random.default_rng(seed)
    x = random.integers(-600, 600, shape) / 2.0 ** (np.broadcast_to(fracs, shape) + 1)
    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-40])
    picked = random.random(shape) < 0.15
    x[picked] = random.choice(special, int(picked.sum()))
    return x.astype(dtype)


@settings(deadline=None, max_examples=150)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["float32", "float64"]),
    signed=st.booleans(),
    modes=st.sampled_from(MODES),
    data=st.data(),
)
def test_every_element_is_what_its_own_format_makes_of_it(shape, seed, dtype, signed, modes, data) -> None:
    random = np.random.default_rng(seed)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    whole = len(shape) > 1 and data.draw(st.booleans())
    size = shape if whole else (shape[axis],)
    widths, fracs = random.integers(0, 25, size), random.integers(-12, 30, size)
    lie = [1] * len(shape)
    lie[axis] = shape[axis]
    over = shape if whole else tuple(lie)
    x = numbers(seed, shape, fracs.reshape(over), dtype)
    expected = oracle(x, widths.reshape(over), fracs.reshape(over), signed, *modes)
    order = tuple(random.permutation(len(shape)))  # any strides, and gaps
    laid = np.repeat(np.transpose(x, order), 2, axis=0)
    given_x = torch.from_numpy(np.ascontiguousarray(laid))[::2].permute(*np.argsort(order))
    assert tuple(given_x.shape) == shape
    result = element_quantizer(given_x, widths, fracs, signed, *modes, axis=axis)
    assert_same_bits(result.numpy(), expected)
    formula = element_quantizer(given_x.bfloat16(), widths, fracs, signed, *modes, axis=axis)
    rounded = given_x.bfloat16()
    assert_same_bits(
        formula.float().numpy(),
        torch.from_numpy(
            oracle(rounded.float().numpy(), widths.reshape(over), fracs.reshape(over), signed, *modes)
        )
        .bfloat16()
        .float()
        .numpy(),
    )


@pytest.mark.parametrize("modes", MODES)
@pytest.mark.parametrize("signed", [True, False])
def test_one_number_for_all_is_the_uniform_quantizer(modes: tuple[str, str], signed: bool) -> None:
    from chop.nn.quantizers import integer_quantizer

    x = torch.from_numpy(numbers(1, (64, 33), np.array(3), "float32"))
    same = element_quantizer(x, [[7] * 33] * 64, 3, signed, *modes)
    assert_same_bits(same.numpy(), integer_quantizer(x, 7, 3, signed, *modes).numpy())


def test_long_runs_rows_and_threads_agree() -> None:
    x = torch.from_numpy(numbers(2, (7, 5, 4099), np.array(2), "float32"))
    widths, fracs = [3, 0, 8, 12, 1], [1, 0, 5, -2, 3]
    by_channel = element_quantizer(x, widths, fracs, axis=1)
    last = x.transpose(1, 2).contiguous()
    assert_same_bits(
        element_quantizer(last, widths, fracs, axis=-1).transpose(1, 2).numpy(), by_channel.numpy()
    )
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert_same_bits(element_quantizer(x, widths, fracs, axis=1).numpy(), by_channel.numpy())
    finally:
        torch.set_num_threads(before)


def test_gradient_passes_unless_the_width_is_zero() -> None:
    x = torch.tensor([[0.3, 99.0, 5.0], [-99.0, 0.1, 0.2]], requires_grad=True)
    widths = [[4, 4, 0], [4, 0, 8]]
    grad = torch.arange(1.0, 7.0).view(2, 3)
    element_quantizer(x, widths, 2).backward(grad)
    assert x.grad.tolist() == [[1, 2, 0], [4, 0, 6]]
    x.grad = None
    with straight_through("clipped"):
        element_quantizer(x, widths, 2).backward(grad)
    assert x.grad.tolist() == [[1, 0, 0], [0, 0, 6]]


def test_compiled_traced_copied_pickled_and_batched() -> None:
    quantizer = ElementQuantizer(ElementFormat.of([8, 3, 0], [4, 0, 0], axis=1))
    x = torch.randn(5, 3) * 4
    expected = quantizer(x)
    for again in (copy.deepcopy(quantizer), pickle.loads(pickle.dumps(quantizer))):  # noqa: S301
        assert torch.equal(again(x), expected) and again.format == quantizer.format
        assert hash(again.format) == hash(quantizer.format)
    compiled = torch.compile(quantizer, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), expected)
    leaf = x.clone().requires_grad_()
    compiled(leaf).sum().backward()
    assert leaf.grad.tolist() == [[1, 1, 0]] * 5

    class Model(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return quantizer(x) + 1

    traced = fx.symbolic_trace(Model())
    assert torch.equal(traced(x), expected + 1)
    column = ElementQuantizer(ElementFormat.of([8, 3, 0], [4, 0, 0]))
    assert torch.equal(torch.func.vmap(column)(x), expected)
    grads = torch.func.vmap(torch.func.grad(lambda row: column(row).sum()))(x)
    assert grads.tolist() == [[1, 1, 0]] * 5


@pytest.mark.parametrize(
    ("widths", "fracs", "message"),
    [
        ([4, 33], 2, "width must be 0..32 everywhere, got 33"),
        ([4, -1], 2, "width must be 0..32 everywhere, got -1"),
        ([4, 4], [65, 0], "frac_width must be -64..64 everywhere, got 65"),
        ([4, 4], [1, 2, 3], r"one shape, .* got \[2\] and \[3\]"),
        ([[4, 4], [4]], 2, "a whole number or a full list of whole numbers"),
        ([4, True], 2, "a whole number or a full list"),
        ([4.0, 4.0], 2, "a whole number or a full list"),
        ([], 2, "a whole number or a full list"),
        ([4, None], 2, "a whole number or a full list"),
        ([4, 4, 4], 2, r"shape \[3\] do not fit an operand of the shape \[2, 2\] along axis 0"),
        ([[4, 4, 4]], 2, r"shape \[1, 3\] do not fit an operand of the shape \[2, 2\]"),
    ],
)
def test_what_does_not_fit_is_refused(widths, fracs, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        element_quantizer(torch.zeros(2, 2), widths, fracs)


def test_a_number_a_channel_goes_for_all_weights_of_it() -> None:
    f = ElementFormat.of([[4, 4], [8, 0]], [1, 2])
    assert f.frac_widths.tolist() == [[1, 1], [2, 0]]
    g = ElementFormat.of([4, 8], [[1, 2], [3, 4]])
    assert g.widths.tolist() == [[4, 4], [8, 8]]
    assert ElementFormat.of([5, 8], None).frac_widths.tolist() == [2, 4]
