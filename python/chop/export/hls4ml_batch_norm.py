"""A batch norm and its quantizer as hls4ml's layer of whole numbers, for each channel ``(A * sum + B) >> s``."""

from __future__ import annotations

import numpy as np

from chop.export.hls4ml_places import Layers, Place
from chop.export.hls4ml_types import FixedType, exact, numbers, of_values
from chop.integers import NotIntegerError, Operation
from chop.integers.net import Tensor
from chop.integers.steps import multiply_add_shift


def line(made: Layers, op: Operation, x: Tensor, at: Place) -> Place:
    """The product and the sum are exact, the result rounds down, and its type or a ReLU clamps it."""
    whole, frac = op.output, int(op.output.frac_width or 0)
    to = exact(whole.low, whole.high, frac)
    keys = ("factor", "offset", "shift", "least", "most")
    columns = zip(*(op.constants[key].tolist() for key in keys), strict=True)
    found = [_line_within(column, x, to) for column in columns]
    if None in found:
        raise NotIntegerError(
            op.node, "no line stays within the codes of a channel, and it has no clamp for each"
        )
    factor, offset, shift = np.array(found, np.int64).T
    common = int(shift.max())
    ends = np.stack([(factor * code + offset) >> shift for code in (x.low, x.high)])
    low, high = ends.min(0), ends.max(0)
    scale, bias = (values << (common - shift) for values in (factor, offset))
    grids = common + frac - int(x.frac_width or 0), common + frac
    reached = exact(int(low.min()), int(high.max()), frac)
    types = {"scale": of_values(scale, grids[0]), "bias": of_values(bias, grids[1]), "result": reached}
    last, channels = at.channels_first == whole.shape, len(scale)
    if not last:  # one factor a number, in the order in which they lie
        of = at.order // (at.size // channels)
        scale, bias = scale[of], bias[of]
    data = {"scale_data": numbers(scale, grids[0]), "bias_data": numbers(bias, grids[1])}
    sizes = {"n_in": at.size, "n_filt": channels if last else -1}
    at = made.add("BatchNormalization", [at], types, at.shape, at.channels_first, **sizes, **data)
    saturates = FixedType(to.width, frac, to.is_signed, overflow="SAT")
    return made.activation(at, saturates, "relu" if not to.is_signed and reached.is_signed else "linear")


def _line_within(column: tuple[int, ...], x: Tensor, to: FixedType) -> tuple[int, int, int] | None:
    """(A, B, s) of a channel whose line is clamped by the type alone, or None."""
    factor, offset, shift, least, most = column
    ends = sorted((factor * code + offset) >> shift for code in (x.low, x.high))
    if (ends[0] >= least or least == to.low) and (ends[1] <= most or most == to.high):
        return factor, offset, shift
    sign, slope = (1, factor) if factor > 0 else (-1, -factor)
    start, stop = (x.low, x.high) if sign > 0 else (-x.high, -x.low)
    steps = [-((offset - (code << shift)) // slope) for code in range(least + 1, most + 1)]
    first = least
    if least != to.low:  # as if one more step lay just outside
        first, steps = least - 1, [start, *steps]
    if most != to.high:
        steps, stop = [*steps, stop + 1], stop + 1
    line = multiply_add_shift(first, np.array(steps), stop)
    return None if line is None else (sign * line[0], *line[1:])
