"""Products of convolutions, and which of them only multiply padding."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from chop.cost.work import RULES, Applied, Product, Work, products


def _convolution(call: Applied) -> Work:
    weight, y = call.get("weight", 1), call.output
    macs = y.numel() * weight[0].numel()
    sums, uses = _taps(call, list(weight.shape[2:]), list(y.shape[-(weight.dim() - 2) :]))
    padded = sums - sum(uses) if uses else 0
    # HGQ2 counts a bias at every place of the input.
    channels_in = weight.shape[1] * call.get("groups", 6, 1)
    biases = call.input.numel() // channels_in * weight.shape[0]
    biased = call.get("bias", 2) is not None
    return products(Product(macs, y.numel(), biased, macs // max(1, sums) * padded, biases, uses))


def _taps(call: Applied, kernel: list[int], outputs: list[int]) -> tuple[int, tuple[int, ...]]:
    """Pairs of a place of the output and one of the kernel; for each of the kernel, how many meet no zero that pads."""
    pairs = math.prod(outputs) * math.prod(kernel)
    if call.get("padding_mode", 99, "zeros") != "zeros":
        return pairs, ()
    sides = len(kernel)
    sizes = list(call.input.shape[-sides:])
    places = (("stride", 3), ("dilation", 5))
    stride, dilation = (_each(call.get(name, place, 1), sides) for name, place in places)
    padding: Any = call.get("padding", 4, 0)
    if padding == "same":
        before = [d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True)]
    else:
        before = [0] * sides if padding == "valid" else _each(padding, sides)
    uses = [
        [_inside(size, out, s, tap * d - p) for tap in range(k)]
        for size, k, out, s, d, p in zip(sizes, kernel, outputs, stride, dilation, before, strict=True)
    ]
    return pairs, tuple(math.prod(each) for each in itertools.product(*uses))


def _inside(size: int, outputs: int, stride: int, offset: int) -> int:
    """How many of the positions ``stride * n + offset``, n below ``outputs``, lie in ``range(size)``."""
    first = max(0, -(offset // stride))
    last = min(outputs - 1, (size - 1 - offset) // stride)
    return max(0, last - first + 1)


def _each(value: Any, sides: int) -> list[int]:
    found = list(value) if isinstance(value, Sequence) else [value]
    return found * sides if len(found) == 1 else found


def _transposed(call: Applied) -> Work:
    # Every number of the input goes into a whole window of every output channel of its group.
    macs = call.input.numel() * math.prod(call.get("weight", 1).shape[1:])
    return products(Product(macs, call.output.numel(), call.get("bias", 2) is not None))


RULES.update({f"conv{n}d": _convolution for n in (1, 2, 3)})
RULES.update({f"conv_transpose{n}d": _transposed for n in (1, 2, 3)})
