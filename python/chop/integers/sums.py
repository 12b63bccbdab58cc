"""The sums of a quantized layer as whole numbers: their grid, their range, what holds them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from chop.integers.view import Format, ViewNode
from chop.nn.quantizers import ElementFormat, NumberFormat

_FLOAT32_EXACT = 2.0**24
_HUGE = 2.0**128  # beyond float32


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
    """Return the sums of a quantized ``linear``, ``conv1d`` or ``conv2d`` for which :func:`has_sums`.

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
    x, weight, bias = node.formats["data_in"], _codes(node, "weight"), None
    products = _frac_width(x) + weight.frac_width
    frac = products
    if "bias" in node.values:
        bias = _codes(node, "bias")
        frac = max(products, bias.frac_width)
    shift, bias_shift = frac - products, 0 if bias is None else frac - bias.frac_width
    weights = [[code << shift for code in row] for row in weight.rows]
    offsets = [0] * len(weights) if bias is None else [row[0] << bias_shift for row in bias.rows]
    low, high, bound = [], [], 0
    ends = _ends(node, x)
    for o, (row, offset) in enumerate(zip(weights, offsets, strict=True)):
        met = list(zip(row, ends[o * len(ends) // len(weights)], strict=True))
        low.append(sum(c * (least if c > 0 else most) for c, (least, most) in met) + offset)
        high.append(sum(c * (most if c > 0 else least) for c, (least, most) in met) + offset)
        bound = max(bound, sum(abs(c) * max(-least, most) for c, (least, most) in met) + abs(offset))
    return Sums(frac, shift, bias_shift, tuple(low), tuple(high), bound)


def has_sums(node: ViewNode) -> bool:
    """Whether a quantized layer's data and parameters all lie on grids, so that :func:`sums_of` can tell its sums."""
    if "data_in" not in node.formats or not lies_on_grid(node.formats["data_in"]):
        return False
    return all(name in node.formats and np.isfinite(node.on_grid(name)).all() for name in node.values)


def largest_code(format: Format) -> int:
    """Return the largest magnitude of a format's codes, in units of its grid."""
    if isinstance(format, NumberFormat):
        low, high = _range(format)
        return max(-low, high)
    one = format.common if isinstance(format, ElementFormat) else format
    return max(-one.qmin, one.qmax)


class _Codes(NamedTuple):
    rows: list[list[int]]  # one for each output
    frac_width: int


def _codes(node: ViewNode, parameter: str) -> _Codes:
    """A parameter's codes on its grid; of a number format, on the coarsest grid that holds its values."""
    if not isinstance(node.formats[parameter], NumberFormat):
        return _Codes(_rows(node.codes(parameter)), node.one_format(parameter).frac_width)
    values = node.on_grid(parameter)
    ratios = [float(v).as_integer_ratio() for v in values.reshape(-1)]
    frac = max((d.bit_length() - 1 for _, d in ratios), default=0)
    codes = np.array([n << (frac - d.bit_length() + 1) for n, d in ratios], object)
    return _Codes(_rows(codes.reshape(values.shape)), frac)


def lies_on_grid(format: Format) -> bool:
    """Whether all numbers of a format are known to be multiples of one, of bounded size."""
    return not isinstance(format, NumberFormat) or (format.grid is not None and format.grid[1] < _HUGE)


def _frac_width(format: Format) -> int:
    if isinstance(format, NumberFormat):
        assert format.grid is not None
        return -format.grid[0]
    return format.common.frac_width if isinstance(format, ElementFormat) else format.frac_width


def _range(format: NumberFormat) -> tuple[int, int]:
    assert format.grid is not None
    step, largest = format.grid
    most = int(Fraction(largest) / Fraction(2) ** step)
    return -most, most


def _ends(node: ViewNode, x: Format) -> list[list[tuple[int, int]]]:
    """For each group of a convolution the smallest and the largest code that each weight of a row may meet."""
    channels, taps = (
        node.values["weight"].shape[1],
        int(np.prod(node.values["weight"].shape[2:], dtype=np.int64)),
    )
    if not isinstance(x, ElementFormat):
        return [[_range(x) if isinstance(x, NumberFormat) else (x.qmin, x.qmax)] * (channels * taps)]
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
