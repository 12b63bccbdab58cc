"""Batch norms with all that follows them up to the next quantizer, as one operation on sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chop.integers.elementwise import apply_chain
from chop.integers.net import NetBuilder, NotIntegerError, Tensor
from chop.integers.steps import lines_through, thresholds
from chop.integers.view import ViewNode
from chop.nn.quantizers import IntegerFormat

_MOST_LEVELS = 1 << 12


def stepped(
    b: NetBuilder, node: ViewNode, functions: Sequence[ViewNode], x: Tensor, to: IntegerFormat, fuses: bool
) -> Tensor:
    """Return the codes of ``functions`` of ``x`` in a format: a line for each channel, or else thresholds.

    Args:
        b: gets the operation.
        node: that it stands for.
        functions: batch norms and functions that never fall, in order.
        x: codes of sums, shape [channels, ...].
        to: of the quantizer.
        fuses: whether batch norms round once.

    Raises:
        NotIntegerError: the quantizer wraps, or it has more than 4,096 codes.
    """
    if to.overflow == "wrap":
        raise NotIntegerError(node.name, "thresholds need a monotone function; wrapping is none")
    if to.qmax - to.qmin >= _MOST_LEVELS:
        raise NotIntegerError(
            node.name, f"{to.width} bits behind a batch norm need more than 4,096 thresholds"
        )
    channels = x.shape[0]
    codes = apply_chain(functions, x, to, fuses)
    ends = np.full(channels, x.low), np.full(channels, x.high)
    sign, base, steps = thresholds(codes, *ends)
    grid = to.frac_width, int(base.min()), int(base.max()) + steps.shape[1]
    grid = to.frac_width, max(grid[1], to.qmin), min(grid[2], to.qmax)
    stops = np.where(sign > 0, x.high, -x.low)
    counts = (steps <= stops[:, None]).sum(1)
    if lines := lines_through(base, steps, stops):
        columns = np.array(lines, np.int64).T
        constants = {"factor": sign * columns[0], "offset": columns[1], "shift": columns[2]}
        constants |= {"least": base, "most": base + counts}
        return b.add("multiply_add_shift", [x], node, x.shape, grid, constants)
    constants = {"sign": sign, "first": base, "steps": steps}
    return b.add("thresholds", [x], node, x.shape, grid, constants)
