"""Shape rule, straight-through gradient and batching rule of ``torch.ops.chop.format_quantize``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, library

_NAME = "chop::format_quantize"


def _fake(
    x: Tensor, format: int, numbers: list[float], block_size: list[int], first_dim: int = 0, top: int = 1023
) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return grad, None, None, None, None, None


def _vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, *format: Any) -> tuple[Tensor, int | None]:
    stacked = x.movedim(in_dims[0] or 0, 0)
    if not format[2]:  # no blocks: each number for itself
        return torch.ops.chop.format_quantize(stacked, *format), 0
    return torch.stack([torch.ops.chop.format_quantize(each, *format) for each in stacked]), 0


def register() -> None:
    """Register the rules; call it once."""
    library.register_fake(_NAME, _fake)
    library.register_autograd(_NAME, _backward)
    library.register_vmap(_NAME, _vmap)
