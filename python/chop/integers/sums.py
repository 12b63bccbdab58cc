"""The sums of a quantized layer as whole numbers: their grid, their range, what holds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chop.integers.view import ViewNode
from chop.nn.quantizers import ElementFormat, IntegerFormat

_FLOAT32_EXACT = 2.0**24


@dataclass(frozen=True)
class Sums:
    """What the sums of one layer are.

    Attributes:
        frac_width: a sum counts in units of ``2**-frac_width``, the finer grid of products and bias.
        weight_shift: products of codes are shifted left by this many bits to that grid.
        bias_shift: codes of the bias are shifted left by this many bits to it.
        low, high: per output channel, the smallest and largest sum that any codes of the input can give; padding
            with zeros lies between.
        bound: largest sum of magnitudes over the channels: no partial sum, in any order, is larger.
    """

    frac_width: int
    weight_shift: int
    bias_shift: int
    low: tuple[int, ...]
    high: tuple[int, ...]
    bound: int

    @property
    def bits(self) -> int:
        """Width of a signed accumulator that holds every partial sum."""
        return max(1, self.bound.bit_length() + 1)

    @property
    def fits_float32(self) -> bool:
        """Whether float32 holds every partial sum exactly, in any order."""
        return self.bound < _FLOAT32_EXACT


def sums_of(node: ViewNode) -> Sums:
    """Return the sums of a quantized ``linear``, ``conv1d`` or ``conv2d``.

    >>> import torch
    >>> from torch import nn
    >>> from chop import Evaluator
    >>> from chop.integers import quantized_view
    >>> layer = nn.Linear(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, -0.5]])), layer.bias.data.fill_(0.25)
    >>> fixed = {"name": "integer", "data_in_width": 4, "data_in_frac_width": 0, "weight_width": 4,
    ...          "weight_frac_width": 1}
    >>> ev = Evaluator(nn.Sequential(layer), torch.zeros(1, 2))
    >>> sums = sums_of(quantized_view(ev, {"by": "type", "default": {"config": fixed}})["_0"])
    >>> sums.frac_width, sums.low, sums.high, sums.bits
    (1, (-23,), (22,), 6)
    """
    x, w = node.formats["data_in"], node.one_format("weight")
    products = (x.common if isinstance(x, ElementFormat) else x).frac_width + w.frac_width
    bias = node.one_format("bias") if "bias" in node.values else None
    frac = products if bias is None else max(products, bias.frac_width)
    shift = frac - products
    weights = [[int(code) << shift for code in row] for row in _rows(node.codes("weight"))]
    offsets = [0] * len(weights)
    bias_shift = 0
    if bias is not None:
        bias_shift = frac - bias.frac_width
        offsets = [int(code) << bias_shift for code in node.codes("bias").reshape(-1)]
    low, high, bound = [], [], 0
    ends = _ends(node, x)
    for o, (row, offset) in enumerate(zip(weights, offsets, strict=True)):
        met = list(zip(row, ends[o * len(ends) // len(weights)], strict=True))
        low.append(sum(c * (least if c > 0 else most) for c, (least, most) in met) + offset)
        high.append(sum(c * (most if c > 0 else least) for c, (least, most) in met) + offset)
        bound = max(bound, sum(abs(c) * max(-least, most) for c, (least, most) in met) + abs(offset))
    return Sums(frac, shift, bias_shift, tuple(low), tuple(high), bound)


def _ends(node: ViewNode, x: IntegerFormat | ElementFormat) -> list[list[tuple[int, int]]]:
    """For each group of a convolution the smallest and the largest code that each weight of a row may meet."""
    channels, taps = (
        node.values["weight"].shape[1],
        int(np.prod(node.values["weight"].shape[2:], dtype=np.int64)),
    )
    if not isinstance(x, ElementFormat):
        return [[(x.qmin, x.qmax)] * (channels * taps)]
    each = [(0, 0)] * x.shape[0]
    for format, mask in x.parts():
        shift = x.common.frac_width - format.frac_width
        for channel in np.flatnonzero(mask):
            each[channel] = format.qmin << shift, format.qmax << shift
    groups = [each[first : first + channels] for first in range(0, len(each), channels)]
    return [[ends for ends in group for _ in range(taps)] for group in groups]


def _rows(codes: np.ndarray) -> list[list[int]]:
    rows: list[list[int]] = codes.reshape(codes.shape[0], -1).tolist()
    return rows
