"""Every operation of the core on floats against torch: the same bits where that is promised, else close."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from chop import _core

from .single_ops import core_output, different_bits, exact, module, numbers, ulps

FEW = settings(max_examples=60, deadline=None)
SAMPLES = st.sampled_from([1, 2, 63, 64, 65, 130])


def check_bits(model: nn.Module, *inputs: Tensor) -> None:
    with torch.no_grad():
        expected = model(*inputs)
        got = core_output(model, *inputs)
    wrong = different_bits(got, expected)
    assert not wrong.any(), (wrong.sum(), got[wrong][:3], expected[wrong][:3])


SAME_BITS = {
    "relu6": nn.ReLU6(),
    "leaky_relu": nn.LeakyReLU(0.3),
    "leaky_relu 0": nn.LeakyReLU(0.0),
    "leaky_relu negative": nn.LeakyReLU(-0.5),
    "hardtanh": nn.Hardtanh(-2.5, 3.1),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "neg": lambda x: -x,
    "add_scalar": lambda x: x + 1.1,
    "add_scalar reversed": lambda x: 1.1 + x,
    "sub_scalar": lambda x: x - 1.1,
    "sub_scalar reversed": lambda x: 1.1 - x,
    "mul_scalar": lambda x: x * 1.1,
    "div_scalar": lambda x: x / 1.1,
    "div_scalar reversed": lambda x: 1.1 / x,
    "div_scalar by 0": lambda x: x / 0,
    "flatten": lambda x: torch.flatten(x, 1),
    "view": lambda x: x.view(x.size(0), 3, -1),
    "permute": lambda x: x.permute(0, 3, 1, 2),
    "transpose": lambda x: x.transpose(-1, 1),
    "unsqueeze": lambda x: x.unsqueeze(2),
    "squeeze": lambda x: x.unsqueeze(2).squeeze(),
    "cat": lambda x: torch.cat([x, x.transpose(1, 2).reshape(-1, 1, 6, 5), x], 1),
    "cat last": lambda x: torch.cat([x, x], -1),
    "stack": lambda x: torch.stack([x, -x], 2),
    "prelu": nn.PReLU(),
    "prelu channels": nn.Sequential(nn.Flatten(), nn.PReLU(30)),
    "softsign": nn.Softsign(),
    "clamp": lambda x: x.clamp(-1.5, 2),
    "clamp of nothing": lambda x: torch.clamp(x, 2, -1.5),
    "clamp_min": lambda x: x.clamp(min=0),
    "clamp_max": lambda x: torch.clamp_max(x, 1.5),
    "abs": torch.abs,
    "rsqrt": torch.rsqrt,
    "square": torch.square,
    **{f"power {e}": lambda x, e=e: x**e for e in (-2, -1, -0.5, 1, 2, 3)},
    "index": lambda x: x[:, 0, -1],
    "slices": lambda x: x[:, :, 1::2, ..., 2:4, None],
    "select": lambda x: x.select(2, 3).narrow(-1, 1, 3),
    "split": lambda x: torch.cat([x.split(4, 2)[1], x.chunk(2, dim=2)[0]], 2),
    "pad": lambda x: F.pad(x, (1, 2, 0, 3), value=-0.25),
    "zero pad": nn.ZeroPad2d((1, 2, 0, 3)),
    "interpolate": lambda x: F.interpolate(x, size=(13, 3)),
    "upsample": nn.Upsample(scale_factor=(2, 3)),
    "mT": lambda x: x.mT,
    "maximum": lambda x: torch.maximum(x, x.mT.reshape(-1, 1, 6, 5)),
    "minimum": lambda x: torch.minimum(x.mT.reshape(-1, 1, 6, 5), x),
}


@pytest.mark.parametrize("name", SAME_BITS)
def test_the_same_bits(name: str) -> None:
    for samples in (1, 65, 300):
        check_bits(module(SAME_BITS[name]), numbers(samples, 1, 6, 5, special=True, seed=samples))
    check_bits(module(SAME_BITS[name]), numbers(3, 1, 6, 5, scale=1e-39))


def per_dim(draw: Any, spatial: int, low: int, high: int) -> Any:
    return draw(st.tuples(*[st.integers(low, high)] * spatial))


@FEW
@given(st.data(), SAMPLES, st.sampled_from([1, 2]), st.sampled_from(["avg", "max"]), st.booleans())
def test_pools(data: Any, samples: int, spatial: int, kind: str, special: bool) -> None:
    draw = data.draw
    kernel = per_dim(draw, spatial, 1, 4)
    options: dict[str, Any] = {
        "stride": per_dim(draw, spatial, 1, 3),
        "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel),
        "ceil_mode": draw(st.booleans()),
    }
    if kind == "max":
        options["dilation"] = per_dim(draw, spatial, 1, 2)
    extent = [(k - 1) * 2 + 1 + draw(st.integers(0, 6)) for k in kernel]
    layer = {"avg1": nn.AvgPool1d, "avg2": nn.AvgPool2d, "max1": nn.MaxPool1d, "max2": nn.MaxPool2d}[
        f"{kind}{spatial}"
    ](kernel, **options)
    check_bits(module(layer), numbers(samples, draw(st.integers(1, 3)), *extent, special=special))


@FEW
@given(st.data(), SAMPLES, st.sampled_from([1, 2]), st.sampled_from(["avg", "max"]))
def test_adaptive_pools(data: Any, samples: int, spatial: int, kind: str) -> None:
    size = per_dim(data.draw, spatial, 1, 5)
    x = numbers(samples, 2, *per_dim(data.draw, spatial, 1, 9))
    layer = {
        "avg1": nn.AdaptiveAvgPool1d,
        "avg2": nn.AdaptiveAvgPool2d,
        "max1": nn.AdaptiveMaxPool1d,
        "max2": nn.AdaptiveMaxPool2d,
    }[f"{kind}{spatial}"](size if spatial == 2 else size[0])
    if kind == "max" or math.prod(size) > 1:
        check_bits(module(layer), x)
    else:  # torch takes a mean there, whose order is its own
        assert torch.allclose(core_output(module(layer), x), layer(x), rtol=1e-5, atol=1e-5)


@FEW
@given(st.data(), SAMPLES, st.sampled_from(["mean", "sum"]), st.booleans())
def test_reductions(data: Any, samples: int, name: str, keepdim: bool) -> None:
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    dims = data.draw(st.lists(st.integers(1, len(shape)), min_size=1, unique=True))
    model = module(lambda x: getattr(x, name)(dims, keepdim=keepdim))
    x = numbers(samples, *shape)
    got, truth = core_output(model, x), model(x.double())
    assert ulps(got, truth).max() <= 1  # the sum and the quotient round once each
    # On a grid torch's sum is exact in any order: as sure as the bits of a layer on it.
    check_bits(model, (x * 16).round() / 16)


@FEW
@given(st.data(), SAMPLES, st.sampled_from(["add", "sub", "mul", "div"]))
def test_arithmetic(data: Any, samples: int, name: str) -> None:
    full = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    left, right = ([data.draw(st.sampled_from([size, 1])) for size in full] for _ in range(2))
    inputs = [numbers(samples, *shape, seed=i, special=True) for i, shape in enumerate((left, right))]
    check_bits(module(getattr(torch, name), 2), *inputs)


@FEW
@given(st.data(), SAMPLES)
def test_products_of_activations(data: Any, samples: int) -> None:
    m, n, k = (data.draw(st.integers(1, 5)) for _ in range(3))
    batch = data.draw(st.lists(st.integers(1, 3), max_size=2))
    left, right = ([data.draw(st.sampled_from([size, 1])) for size in batch] for _ in range(2))
    x, y = numbers(samples, *left, m, k), numbers(samples, *right, k, n, seed=1)
    model = module(torch.matmul, 2)
    assert ulps(core_output(model, x, y), model(x.double(), y.double())).max() == 0
    if not batch:
        assert torch.equal(core_output(module(torch.bmm, 2), x, y), core_output(model, x, y))


@FEW
@given(st.data(), SAMPLES, st.booleans(), st.booleans())
def test_norms(data: Any, samples: int, group: bool, affine: bool) -> None:
    shape = data.draw(st.lists(st.integers(2, 5), min_size=1, max_size=3))
    layer: nn.Module
    if group:
        shape[0] *= (groups := data.draw(st.integers(1, 3)))
        layer = nn.GroupNorm(groups, shape[0], affine=affine, eps=1e-3)
    else:
        layer = nn.LayerNorm(shape[data.draw(st.integers(0, len(shape) - 1)) :], elementwise_affine=affine)
    for i, parameter in enumerate(layer.parameters()):
        parameter.data = numbers(*parameter.shape, seed=i)
    x = numbers(samples, *shape)
    got, truth = core_output(module(layer), x), exact(module(layer), x)
    assert ((got - truth).abs() <= 2**-24 * truth.abs() + 1e-12).all()


def test_embedding() -> None:
    layer = nn.Embedding(11, 3)
    indices = torch.randint(0, 11, (130, 4), generator=torch.Generator().manual_seed(0))
    assert torch.equal(core_output(module(layer), indices.float()), layer(indices))


def test_an_embedding_of_computed_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"node _1 \(embedding\) needs indices, but _0 \(sigmoid\) computes"):
        core_output(nn.Sequential(nn.Sigmoid(), nn.Embedding(3, 2)), torch.zeros(1, 1))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x.transpose(0, 1), "the batch must be the first dimension and no other, got 4x"),
        (lambda x: x.mean(), "the batch must be the first dimension and no other, got scalar"),
        (lambda x: torch.softmax(x, 0), "works along the batch"),
        (lambda x: x.unsqueeze(0), "the batch must be the first dimension and no other, got 1x"),
        (lambda x: x @ x, "mixes the rows of the batch|inner sizes differ"),
    ],
)
def test_what_moves_the_batch_is_named(function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        core_output(module(function), torch.zeros(4, 4))


def test_a_wrong_output_is_refused() -> None:
    graph = _core.Graph.parse("chop.graph 1\nx = input() : ?x2\ny = neg(x) : ?x2\nreturn y\n")
    with pytest.raises(ValueError, match="output must hold 6 numbers, got 9"):
        _core.run_float_op(graph, "y", [torch.zeros(3, 2)], torch.zeros(3, 3))
    with pytest.raises(ValueError, match="node y reads 1 nodes, got 0"):
        _core.run_float_op(graph, "y", [], torch.zeros(2, 2))


def test_functional_forms_are_the_same() -> None:
    x = numbers(65, 2, 6)
    for function in (
        F.relu6,
        F.hardswish,
        torch.neg,
        lambda x: F.max_pool1d(x, 2),
        lambda x: F.avg_pool1d(x, 3, 1, 1),
    ):
        check_bits(module(function), x)
