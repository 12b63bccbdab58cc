"""Shape rule, straight-through gradient and batching rule of ``torch.ops.chop.integer_quantize_elements``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, library

_NAME = "chop::integer_quantize_elements"


def _fake(
    x: Tensor, widths: Tensor, frac_widths: Tensor, is_signed: bool, rounding: int = 0, overflow: int = 0
) -> Tensor:
    torch._check_value(
        widths.dim() == x.dim() and widths.shape == frac_widths.shape,
        lambda: (
            "integer_quantize_elements: widths and frac_widths must have one shape, with as many dimensions as x"
        ),
    )
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[1])


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """An element of width 0 is a constant."""
    (widths,) = ctx.saved_tensors
    return grad.masked_fill(widths == 0, 0), None, None, None, None, None


def _vmap(
    info: Any, in_dims: tuple[int | None, ...], x: Tensor, widths: Tensor, frac_widths: Tensor, *format: int
) -> tuple[Tensor, int]:
    stacked = [
        t.unsqueeze(0) if dim is None else t.movedim(dim, 0)
        for t, dim in zip((x, widths, frac_widths), in_dims, strict=False)
    ]
    shape = torch.broadcast_shapes(stacked[1].shape, stacked[2].shape)
    x, widths, fracs = stacked[0], *(t.expand(shape) for t in stacked[1:])
    if shape[0] != 1:  # formats of their own for each: then for each element
        x = x.expand(info.batch_size, *x.shape[1:])
        widths, fracs = widths.expand(x.shape), fracs.expand(x.shape)
    return torch.ops.chop.integer_quantize_elements(x, widths, fracs, *format), 0


def register() -> None:
    """Register the rules; call it once."""
    library.register_fake(_NAME, _fake)
    library.register_autograd(_NAME, _backward, setup_context=_remember)
    library.register_vmap(_NAME, _vmap)
