"""Shape rule, straight-through gradient and batching rule of `torch.ops.chop.*`.

Without register_autograd, tracing and export would record the bare operator and lose the gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chop._core import element_operators, format_operators, fused_operators

_NAME = "chop::integer_quantize"
_registered = False


def _fake(
    x: Tensor, width: int, frac_width: int, is_signed: bool, rounding: int = 0, overflow: int = 0
) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return grad, None, None, None, None, None


def _vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, *format: int) -> tuple[Tensor, int | None]:
    return torch.ops.chop.integer_quantize(x, *format), in_dims[0]


def register() -> None:
    """Register the rules, once."""
    global _registered
    if _registered:
        return
    _registered = True
    torch.library.register_fake(_NAME, _fake)
    torch.library.register_autograd(_NAME, _backward)
    torch.library.register_vmap(_NAME, _vmap)
    element_operators.register()
    format_operators.register()
    fused_operators.register()
