"""Shape rule, straight-through gradient and batching rule of the fused layers.

The gradients are those of the plain layer on the quantized tensors; rounding and clamping count as the
identity.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# Width and fraction width of input, weight, bias, in this order, end every argument list, followed by rounding and
# overflow of the three, which torch leaves out from where on they are 0.
WIDTH_FIELDS = 6
FORMAT_FIELDS = 12


def _on_grid(x: Tensor, formats: tuple[int, ...], operand: int) -> Tensor:
    width, frac_width = formats[2 * operand : 2 * operand + 2]
    modes = formats[WIDTH_FIELDS + 2 * operand : WIDTH_FIELDS + 2 * operand + 2]
    return torch.ops.chop.integer_quantize(x, width, frac_width, True, *modes)


def _quantized(
    x: Tensor, weight: Tensor, bias: Tensor | None, formats: tuple[int, ...]
) -> tuple[Tensor, Tensor, Tensor | None]:
    quantized_bias = None if bias is None else _on_grid(bias, formats, 2)
    return _on_grid(x, formats, 0), _on_grid(weight, formats, 1), quantized_bias


def _stacked(
    size: int, in_dims: tuple[int | None, ...], operands: tuple[Tensor, Tensor, Tensor | None]
) -> list[Any]:
    """The operands with the batched dimension in front, copies of those that have none."""
    return [
        t if t is None else t.expand(size, *t.shape) if dim is None else t.movedim(dim, 0)
        for t, dim in zip(operands, in_dims, strict=False)
    ]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, _, *numbers = inputs
    ctx.save_for_backward(x, weight)
    ctx.numbers = tuple(numbers)


def _linear_fake(x: Tensor, weight: Tensor, bias: Tensor | None, *formats: int) -> Tensor:
    torch._check_value(
        weight.dim() == 2 and x.dim() >= 1, lambda: "linear_integer: weight must be [out, in] and x [..., in]"
    )
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _linear_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    x, weight = ctx.saved_tensors
    formats = ctx.numbers
    rows = grad.reshape(-1, grad.shape[-1])
    for_x = for_weight = for_bias = None
    if ctx.needs_input_grad[0]:
        for_x = grad @ _on_grid(weight, formats, 1)
    if ctx.needs_input_grad[1]:
        for_weight = rows.t() @ _on_grid(x, formats, 0).reshape(-1, x.shape[-1])
    if ctx.needs_input_grad[2]:
        for_bias = rows.sum(0)
    return for_x, for_weight, for_bias, *(None,) * FORMAT_FIELDS


def _linear_vmap(
    info: Any, in_dims: tuple[int | None, ...], x: Tensor, weight: Tensor, bias: Tensor | None, *formats: int
) -> tuple[Tensor, int]:
    if in_dims[1] is None and in_dims[2] is None:
        return torch.ops.chop.linear_integer(x.movedim(in_dims[0], 0), weight, bias, *formats), 0  # type: ignore[arg-type]
    x, weight, bias = _stacked(info.batch_size, in_dims, _quantized(x, weight, bias, formats))
    rows = x.flatten(1, -2) if x.dim() > 2 else x.unsqueeze(1)
    y = rows @ weight.mT if bias is None else torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)
    return y.reshape(*x.shape[:-1], weight.shape[1]), 0


def _conv1d_fake(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    *formats: int,
) -> Tensor:
    message = "conv1d_integer: weight must be [out, in / groups, kernel] and x [batch, in, length]"
    torch._check_value(weight.dim() == 3 and x.dim() == 3, lambda: message)
    torch._check_value(
        min(stride, dilation, groups) >= 1 and padding >= 0,
        lambda: "conv1d_integer: stride, dilation and groups must be 1 or more, padding 0 or more",
    )
    length = (x.shape[2] + 2 * padding - dilation * (weight.shape[2] - 1) - 1) // stride + 1
    return x.new_empty((x.shape[0], weight.shape[0], length))


def _conv1d_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    x, weight = ctx.saved_tensors
    (stride, padding, dilation, groups), formats = ctx.numbers[:4], ctx.numbers[4:]
    wanted = list(ctx.needs_input_grad[:3])
    for_x, for_weight, for_bias = torch.ops.aten.convolution_backward(
        grad,
        _on_grid(x, formats, 0),
        _on_grid(weight, formats, 1),
        [weight.shape[0]],
        [stride],
        [padding],
        [dilation],
        False,
        [0],
        groups,
        wanted,
    )
    gradients = (g if want else None for g, want in zip((for_x, for_weight, for_bias), wanted, strict=True))
    return *gradients, *(None,) * (4 + FORMAT_FIELDS)


def _conv1d_vmap(
    info: Any, in_dims: tuple[int | None, ...], x: Tensor, weight: Tensor, bias: Tensor | None, *numbers: int
) -> tuple[Tensor, int]:
    if in_dims[1] is None and in_dims[2] is None:
        stacked = x.movedim(in_dims[0], 0)  # type: ignore[arg-type]
        y = torch.ops.chop.conv1d_integer(stacked.flatten(0, 1), weight, bias, *numbers)
        return y.unflatten(0, stacked.shape[:2]), 0
    stride, padding, dilation, groups = numbers[:4]
    x, weight, bias = _stacked(info.batch_size, in_dims, _quantized(x, weight, bias, numbers[4:]))
    # Each member of the stack becomes a set of groups of one convolution.
    bias = None if bias is None else bias.flatten()
    side_by_side, filters = x.movedim(0, 1).flatten(1, 2), weight.flatten(0, 1)
    y = F.conv1d(side_by_side, filters, bias, stride, padding, dilation, groups * info.batch_size)
    return y.unflatten(1, weight.shape[:2]), 1


def register() -> None:
    """Register the rules of both operators; call it once."""
    for name, fake, backward, vmap in (
        ("chop::linear_integer", _linear_fake, _linear_backward, _linear_vmap),
        ("chop::conv1d_integer", _conv1d_fake, _conv1d_backward, _conv1d_vmap),
    ):
        torch.library.register_fake(name, fake)
        torch.library.register_autograd(name, backward, setup_context=_remember)
        torch.library.register_vmap(name, vmap)
