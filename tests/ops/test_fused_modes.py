"""The fused operators in every rounding and overflow mode: the plain layer on tensors quantized in that mode."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.ops.test_fused_ops import CONV1D, FORMATS, LARGE, LINEAR, SMALL, WINDOW, conv_case, linear_case

# Rounding and overflow of input, weight, bias; the last ones may be left out.
MODES = [(1,), (2, 1), (0, 1, 1, 1), (0, 0, 2, 0, 1, 1), (0, 0, 0, 0, 0, 1), (1, 1, 2, 1, 0, 0)]


def quantized(operands, modes: tuple[int, ...]) -> list[Tensor | None]:
    modes = (*modes, *(0,) * (6 - len(modes)))
    one = torch.ops.chop.integer_quantize
    return [
        None if t is None else one(t, *FORMATS[2 * i : 2 * i + 2], True, *modes[2 * i : 2 * i + 2])
        for i, t in enumerate(operands)
    ]


def cases(bias: bool = True):
    """(fused operator, plain layer, operands)."""
    stride, padding, dilation, groups = WINDOW
    linear = [linear_case(size, bias) for size in (SMALL, LARGE)]
    conv = [conv_case(channels, bias) for channels in (4, 300)]
    for operands in linear:
        yield (lambda *t, modes: LINEAR(*t, *FORMATS, *modes)), F.linear, scaled(operands)
    for operands in conv:
        yield (
            lambda *t, modes: CONV1D(*t, *WINDOW, *FORMATS, *modes),
            lambda x, w, b: F.conv1d(x, w, b, stride, padding, dilation, groups),
            scaled(operands),
        )


def scaled(operands):
    """Many values out of range, and half of those in range ties."""
    half_steps = (1 / 32, 1 / 16, 1 / 64)
    return [
        None if t is None else (t * factor / half).round() * half
        for t, factor, half in zip(operands, (6, 3, 15), half_steps, strict=True)
    ]


@pytest.mark.parametrize("modes", MODES)
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients(modes: tuple[int, ...], bias: bool) -> None:
    for fused, plain, operands in cases(bias):
        leaves = [[None if t is None else t.clone().requires_grad_() for t in operands] for _ in range(2)]
        found, expected = fused(*leaves[0], modes=modes), plain(*quantized(leaves[1], modes))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)
        if bias or any(modes[:4]):
            assert not torch.allclose(found, fused(*operands, modes=()), rtol=1e-5, atol=1e-3)
        gradient = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
        for y in (found, expected):
            y.backward(gradient)
        for mine, right in zip(*leaves, strict=True):
            if mine is not None:
                torch.testing.assert_close(mine.grad, right.grad, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("modes", [(1,), (1, 1, 2, 1, 0, 1)])
def test_opcheck(modes: tuple[int, ...]) -> None:
    for requires_grad in (False, True):
        operands = [t.requires_grad_(requires_grad) for t in linear_case()]
        torch.library.opcheck(LINEAR, (*operands, *FORMATS, *modes))
        operands = [t.requires_grad_(requires_grad) for t in conv_case()]
        torch.library.opcheck(CONV1D, (*operands, *WINDOW, *FORMATS, *modes))


@pytest.mark.parametrize("modes", [(1,), (0, 1, 1, 1), (2, 1, 2, 1, 0, 1)])
@pytest.mark.parametrize("in_dims", [(0, None, None), (0, 0, 0), (None, 0, None), (1, None, 0)])
def test_vmap(modes: tuple[int, ...], in_dims: tuple[int | None, ...]) -> None:
    for fused, plain, operands in cases():
        stacked = [
            t if dim is None else torch.stack([t, t * 0.5, -t], dim)
            for t, dim in zip(operands, in_dims, strict=True)
        ]
        found = torch.vmap(lambda *t, f=fused: f(*t, modes=modes), in_dims)(*stacked)
        expected = torch.vmap(lambda *t, p=plain: p(*quantized(t, modes)), in_dims)(*stacked)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)


def test_compile_fullgraph() -> None:
    for fused, _, operands in cases():
        compiled = torch.compile(
            lambda *t, f=fused: f(*t, modes=(1, 1, 2, 1, 0, 1)) * 2, fullgraph=True, backend="aot_eager"
        )
        assert torch.equal(compiled(*operands), fused(*operands, modes=(1, 1, 2, 1, 0, 1)) * 2)


def test_bad_modes_are_value_errors() -> None:
    with pytest.raises(
        ValueError, match=r"rounding must be 0 \(half_even\), 1 \(floor\), 2 \(half_up\), got 7"
    ):
        LINEAR(*linear_case(), *FORMATS, 0, 0, 7)
    with pytest.raises(ValueError, match=r"overflow must be 0 \(saturate\), 1 \(wrap\), got 2"):
        CONV1D(*conv_case(), *WINDOW, *FORMATS, 0, 0, 0, 0, 0, 2)
