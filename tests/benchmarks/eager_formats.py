"""Number formats as eager PyTorch writes them, one operation after the other: the peers of the native ones.

Our own writing; they stand in for MASE's quantizers, with the right values.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Quantize = Callable[[Tensor], Tensor]


def _floats(x: Tensor, bits: int, step: Tensor | float, largest: Tensor | float) -> Tensor:
    inside = x.abs().minimum(torch.as_tensor(largest))
    exponent = torch.floor(torch.log2(inside + 1e-38))
    spacing = torch.exp2(torch.maximum(exponent - (bits - 1), torch.as_tensor(step)))
    return torch.sign(x) * (inside / spacing).round() * spacing


def _by_block(x: Tensor, block: int, rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Blocks of a row: padded, cut, quantized, put together, as MASE does it."""
    columns = x.shape[1]
    padded = F.pad(x, (0, -columns % block))
    view = padded.unflatten(1, (-1, block))
    most = view.abs().amax(-1, keepdim=True)
    return rule(view, most).flatten(1)[:, :columns]


def minifloat_ieee(x: Tensor) -> Tensor:
    return _floats(x, 4, -5.0 - 4.0, 480.0)


def minifloat_denorm(x: Tensor) -> Tensor:
    return _floats(x, 3, -10.0, 224.0)


def log(x: Tensor) -> Tensor:
    power = torch.log2(x.abs()).round().clamp(-63, 64)
    return torch.where(x < 0, -1.0, 1.0) * torch.exp2(power)


def block_fp(x: Tensor) -> Tensor:
    def rule(v: Tensor, most: Tensor) -> Tensor:
        shared = (torch.floor(torch.log2(most + 1e-38)) + 1).clamp(-127, 128)
        scale = torch.exp2(shared - 7)
        return torch.sign(v) * (v.abs() / scale).round().clamp(max=127) * scale

    return _by_block(x, 16, rule)


def block_minifloat(x: Tensor) -> Tensor:
    def rule(v: Tensor, most: Tensor) -> Tensor:
        bias = (15 - torch.floor(torch.log2(most + 1e-38))).clamp(0, 255)
        return _floats(v, 4, 1 - bias - 3, torch.exp2(15 - bias) * 1.875)

    return _by_block(x, 16, rule)


def block_log(x: Tensor) -> Tensor:
    def rule(v: Tensor, most: Tensor) -> Tensor:
        bias = (127 - torch.ceil(torch.log2(most + 1e-38))).clamp(0, 255)
        power = torch.minimum(torch.log2(v.abs()).round(), 127 - bias).maximum(-bias)
        return torch.where(v < 0, -1.0, 1.0) * torch.exp2(power)

    return _by_block(x, 16, rule)


def mxfp4(x: Tensor) -> Tensor:
    def rule(v: Tensor, most: Tensor) -> Tensor:
        scale = torch.exp2((torch.floor(torch.log2(most + 1e-38)) - 2).clamp(-127, 127))
        return _floats(v / scale, 2, -1.0, 6.0) * scale

    return _by_block(x, 32, rule)


def binary(x: Tensor) -> Tensor:
    return torch.where(x >= 0, 1.0, -1.0)


def ternary(x: Tensor) -> Tensor:
    dims = tuple(range(1, x.dim())) or (0,)
    size = x.abs()
    above = size > 0.75 * size.mean(dim=dims, keepdim=True)
    count = above.sum(dim=dims, keepdim=True).clamp(min=1)
    return torch.sign(x) * above * ((size * above).sum(dim=dims, keepdim=True) / count)


def scale_integer(x: Tensor) -> Tensor:
    scale = x.abs().amax(-1, keepdim=True) / 127
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (x / scale).round().clamp(-127, 127) * scale


#: name -> (eager function, arguments of the quantizer, whether it is a format of blocks)
PEERS: dict[str, tuple[Quantize, dict[str, object], bool]] = {
    "minifloat_ieee": (minifloat_ieee, {"width": 8, "exponent_width": 4}, False),
    "minifloat_denorm": (minifloat_denorm, {"width": 8, "exponent_width": 4}, False),
    "log": (log, {"width": 8}, False),
    "binary": (binary, {"bipolar": True}, False),
    "block_fp": (
        block_fp,
        {"width": 8, "exponent_width": 8, "block_size": [1, 16], "skip_first_dim": False},
        True,
    ),
    "block_minifloat": (
        block_minifloat,
        {"width": 8, "exponent_width": 4, "exponent_bias_width": 8, "block_size": [1, 16]},
        True,
    ),
    "block_log": (block_log, {"width": 8, "exponent_bias_width": 8, "block_size": [1, 16]}, True),
    "mxfp4": (mxfp4, {}, True),
    "ternary": (ternary, {"scaling_factor": True}, False),
    "scale_integer": (scale_integer, {"width": 8, "granularity": "row"}, False),
}
