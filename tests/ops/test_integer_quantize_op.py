"""torch.ops.chop.integer_quantize under everything that torch does with an operator."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import chop  # noqa: F401  loads the operator

OP = torch.ops.chop.integer_quantize


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_opcheck(dtype: torch.dtype, requires_grad: bool) -> None:
    for x in (
        torch.randn(4, 6, dtype=dtype),
        torch.randn(6, 4, dtype=dtype).t(),
        torch.randn(0, 3, dtype=dtype),
    ):
        torch.library.opcheck(OP, (x.requires_grad_(requires_grad), 8, 4, True))
        torch.library.opcheck(OP, (x, 8, 4, True, 1))
        torch.library.opcheck(OP, (x, 8, 4, False, 2, 1))


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 4, 5), (0, 4)])
def test_any_shape_and_stride(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    views = [x, x.expand(3, *shape), x.unsqueeze(0).transpose(0, -1)]
    if x.dim() > 1:
        views += [x.t() if x.dim() == 2 else x.permute(*reversed(range(x.dim()))), x[..., ::2]]
    for v in views:
        y = OP(v, 6, 3, True)
        assert y.shape == v.shape and y.is_contiguous()
        assert torch.equal(y, (v * 8).round().clamp(-32, 31) / 8)


def test_gradient_is_straight_through_also_where_the_range_clamps() -> None:
    x = torch.tensor([0.3, 100.0, -100.0, float("inf")], requires_grad=True)
    grad = torch.tensor([1.0, 2.0, 3.0, 4.0])
    OP(x, 4, 2, True).backward(grad)
    assert torch.equal(x.grad, grad)


@pytest.mark.parametrize("modes", [(0, 1), (1,), (1, 1), (2, 0), (2, 1)])
def test_modes_under_grad_vmap_compile_and_fake_tensors(modes: tuple[int, ...]) -> None:
    x = (torch.randn(7, 5) * 400).round() / 32  # half of them ties, many out of range
    expected = OP(x, 8, 4, True, *modes)
    assert not torch.equal(expected, OP(x, 8, 4, True))
    names = {"rounding": modes[0], "overflow": modes[1] if len(modes) > 1 else 0}
    assert torch.equal(OP(x, 8, 4, True, **names), expected)
    leaf = x.clone().requires_grad_()
    OP(leaf, 8, 4, True, *modes).backward(x)
    assert torch.equal(leaf.grad, x)
    assert torch.equal(torch.func.vmap(lambda row: OP(row, 8, 4, True, *modes))(x), expected)
    assert torch.equal(
        torch.func.vmap(lambda row: OP(row, 8, 4, True, **names), in_dims=1, out_dims=1)(x), expected
    )
    compiled = torch.compile(lambda v: OP(v, 8, 4, True, *modes), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), expected)
    with torch._subclasses.FakeTensorMode():
        assert OP(torch.zeros(3, 4), 8, 4, True, *modes).shape == (3, 4)


def test_vmap_and_compile() -> None:
    x = torch.randn(7, 5)
    assert torch.equal(torch.func.vmap(lambda row: OP(row, 8, 4, True))(x), OP(x, 8, 4, True))
    compiled = torch.compile(lambda v: OP(v * 2, 8, 4, False), fullgraph=True)
    assert torch.equal(compiled(x), OP(x * 2, 8, 4, False))


def test_export_keeps_the_gradient() -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ OP(self.weight, 8, 4, True).t()

    exported = torch.export.export(Layer(), (torch.randn(2, 4),)).module()
    exported(torch.randn(2, 4)).sum().backward()
    assert exported.weight.grad is not None and exported.weight.grad.abs().sum() > 0


def test_threads_change_nothing() -> None:
    x = torch.randn(300_001)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = OP(x, 8, 4, True)
        torch.set_num_threads(2)
        assert torch.equal(OP(x, 8, 4, True), one)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("x", "arguments", "message"),
    [
        (torch.zeros(2), (33, 0, True), r"width must be 1\.\.32, got 33"),
        (torch.zeros(2), (8, -65, True), r"frac_width must be -64\.\.64, got -65"),
        (
            torch.zeros(2),
            (8, 4, True, 3),
            r"rounding must be 0 \(half_even\), 1 \(floor\), 2 \(half_up\), got 3",
        ),
        (torch.zeros(2), (8, 4, True, 0, -1), r"overflow must be 0 \(saturate\), 1 \(wrap\), got -1"),
        (torch.zeros(2, dtype=torch.int32), (8, 4, True), "x must be float32 or float64"),
    ],
)
def test_bad_input_is_a_value_error(x: torch.Tensor, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OP(x, *arguments)
