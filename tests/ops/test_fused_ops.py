"""torch.ops.chop.linear_integer and conv1d_integer under everything that torch does with an operator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import chop  # noqa: F401  loads the operators

LINEAR, CONV1D = torch.ops.chop.linear_integer, torch.ops.chop.conv1d_integer
FORMATS = (8, 4, 6, 3, 10, 5)
WINDOW = (2, 1, 2, 2)  # stride, padding, dilation, groups
SMALL, LARGE = 9, 200  # features of the own kernels' road and of torch's


def quantized(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    one = torch.ops.chop.integer_quantize
    return one(x, 8, 4, True), one(weight, 6, 3, True), None if bias is None else one(bias, 10, 5, True)


def linear_case(features: int = SMALL, bias: bool = True, dtype=torch.float32, batch: tuple[int, ...] = (7,)):
    torch.manual_seed(0)
    operands = [torch.randn(*batch, features), torch.randn(5, features), torch.randn(5) if bias else None]
    return [None if t is None else t.to(dtype) for t in operands]


def conv_case(channels: int = 4, bias: bool = True, dtype=torch.float32, batch: int = 3, length: int = 16):
    torch.manual_seed(0)
    operands = [
        torch.randn(batch, channels, length),
        torch.randn(6, channels // 2, 3),
        torch.randn(6) if bias else None,
    ]
    return [None if t is None else t.to(dtype) for t in operands]


def plain_linear(x, weight, bias):
    return F.linear(*quantized(x, weight, bias))


def plain_conv(x, weight, bias):
    stride, padding, dilation, groups = WINDOW
    return F.conv1d(*quantized(x, weight, bias), stride, padding, dilation, groups)


def fused_linear(x, weight, bias):
    return LINEAR(x, weight, bias, *FORMATS)


def fused_conv(x, weight, bias):
    return CONV1D(x, weight, bias, *WINDOW, *FORMATS)


CASES = [
    *(
        (fused_linear, plain_linear, linear_case(size, bias))
        for size in (1, SMALL, LARGE)
        for bias in (True, False)
    ),
    *(
        (fused_conv, plain_conv, conv_case(channels, bias))
        for channels in (2, 4, 300)
        for bias in (True, False)
    ),
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_opcheck(bias: bool, dtype: torch.dtype, requires_grad: bool) -> None:
    for size in (SMALL, LARGE):
        operands = linear_case(size, bias, dtype)
        operands = [t if t is None else t.requires_grad_(requires_grad) for t in operands]
        torch.library.opcheck(LINEAR, (*operands, *FORMATS))
    operands = [t if t is None else t.requires_grad_(requires_grad) for t in conv_case(4, bias, dtype)]
    torch.library.opcheck(CONV1D, (*operands, *WINDOW, *FORMATS))


@pytest.mark.parametrize(("fused", "plain", "operands"), CASES)
def test_values_and_gradients_are_those_of_the_plain_layer_on_quantized_tensors(
    fused, plain, operands
) -> None:
    results = []
    for function in (fused, plain):
        leaves = [None if t is None else t.clone().requires_grad_() for t in operands]
        y = function(*leaves)
        gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
        y.backward(gradient)
        results.append([y, *(t.grad for t in leaves if t is not None)])
    for mine, expected in zip(*results, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-4)


def test_only_the_wanted_gradients_are_computed() -> None:
    for fused, operands in ((fused_linear, linear_case()), (fused_conv, conv_case())):
        operands[1].requires_grad_()
        fused(*operands).sum().backward()
        assert operands[0].grad is None and operands[1].grad is not None


def test_double_backward() -> None:
    for fused, plain, operands in (
        (fused_linear, plain_linear, linear_case()),
        (fused_conv, plain_conv, conv_case()),
    ):
        second = []
        for function in (fused, plain):
            leaves = [t.clone().requires_grad_() for t in operands]
            (first,) = torch.autograd.grad((function(*leaves) ** 2).sum(), leaves[0], create_graph=True)
            second.append(torch.autograd.grad((first**2).sum(), leaves[1])[0])
        torch.testing.assert_close(*second, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("batch", [(), (1,), (0,), (2, 3), (2, 0, 3), (65,), (129,)])
def test_linear_of_any_batch_shape(batch: tuple[int, ...]) -> None:
    operands = linear_case(SMALL, batch=batch)
    y = fused_linear(*operands)
    assert y.shape == (*batch, 5)
    torch.testing.assert_close(y, plain_linear(*operands), rtol=1e-6, atol=1e-6)
    leaf = operands[0].requires_grad_()
    fused_linear(*operands).sum().backward()
    assert leaf.grad.shape == leaf.shape


def test_any_stride() -> None:
    x, weight, bias = linear_case(SMALL, batch=(6, 4))
    for view in (x.transpose(0, 1), x[::2], x[:, 1:3], x.expand(2, 6, 4, SMALL), x.flip(0)):
        torch.testing.assert_close(fused_linear(view, weight, bias), plain_linear(view, weight, bias))
    transposed = weight.t().contiguous().t()
    assert torch.equal(fused_linear(x, transposed, bias), fused_linear(x, weight, bias))
    x, weight, bias = conv_case()
    for view in (x.transpose(0, 2).contiguous().transpose(0, 2), x[..., ::2], x.flip(2)):
        torch.testing.assert_close(fused_conv(view, weight, bias), plain_conv(view, weight, bias))


def test_special_values_reach_only_their_own_rows() -> None:
    x, weight, bias = linear_case(16)
    x[2, 3], x[4, 0] = float("nan"), float("inf")
    y = fused_linear(x, weight, bias)
    assert y[2].isnan().all() and not y[[0, 1, 3, 4, 5, 6]].isnan().any()
    torch.testing.assert_close(y, plain_linear(x, weight, bias), equal_nan=True)


@pytest.mark.parametrize(
    "in_dims", [(0, None, None), (2, None, None), (0, 0, 0), (None, 0, None), (1, None, 0)]
)
def test_vmap(in_dims: tuple[int | None, ...]) -> None:
    for fused, plain, operands in (
        (fused_linear, plain_linear, linear_case()),
        (fused_conv, plain_conv, conv_case()),
    ):
        stacked = [
            t if dim is None else torch.stack([t, t * 0.5, -t], min(dim, t.dim()))
            for t, dim in zip(operands, in_dims, strict=True)
        ]
        dims = tuple(d if d is None else min(d, t.dim()) for d, t in zip(in_dims, operands, strict=True))
        found = torch.vmap(fused, dims)(*stacked)
        torch.testing.assert_close(found, torch.vmap(plain, dims)(*stacked), rtol=1e-5, atol=1e-5)


def test_compile_fullgraph() -> None:
    for fused, operands in ((fused_linear, linear_case()), (fused_conv, conv_case())):
        compiled = torch.compile(lambda *t, f=fused: f(*t) * 2, fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(*operands), fused(*operands) * 2)


def test_threads_change_nothing() -> None:
    linear, conv = linear_case(64, batch=(20_001,)), conv_case(8, batch=2001)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fused_linear(*linear), fused_conv(*conv)
        torch.set_num_threads(2)
        assert torch.equal(fused_linear(*linear), one[0]) and torch.equal(fused_conv(*conv), one[1])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(2, 8)}, "x has 8 features, the weight takes 9"),
        ({"x": torch.zeros(2, 9).int()}, "x must be float32 or float64"),
        ({"weight": torch.zeros(5, 9).double()}, "must be on the CPU and of one dtype"),
        ({"weight": torch.zeros(5)}, r"weight must be \[out, in\]"),
        ({"bias": torch.zeros(4)}, r"bias must be \[5\]"),
        ({"formats": (33, *FORMATS[1:])}, r"width must be 1\.\.32, got 33"),
    ],
)
def test_bad_linear(change: dict, message: str) -> None:
    x, weight, bias = linear_case()
    given = {"x": x, "weight": weight, "bias": bias, "formats": FORMATS, **change}
    with pytest.raises(ValueError, match=message):
        LINEAR(given["x"], given["weight"], given["bias"], *given["formats"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(2, 3, 16)}, "multiples of groups = 2"),
        ({"x": torch.zeros(2, 6, 16)}, "x has 6 channels, the weight takes 4"),
        ({"x": torch.zeros(4, 16)}, r"x \[batch, in, length\]"),
        ({"x": torch.zeros(2, 4, 2)}, "kernel is longer than the padded input of 4"),
        ({"window": (0, 1, 2, 2)}, r"stride must be 1\.\."),
        ({"window": (1, -1, 2, 2)}, r"padding must be 0\.\."),
        ({"bias": torch.zeros(4)}, r"bias must be \[6\]"),
    ],
)
def test_bad_convolution(change: dict, message: str) -> None:
    x, weight, bias = conv_case()
    given = {"x": x, "weight": weight, "bias": bias, "window": WINDOW, **change}
    with pytest.raises(ValueError, match=message):
        CONV1D(given["x"], given["weight"], given["bias"], *given["window"], *FORMATS)
