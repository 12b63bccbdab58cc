"""Where a batch norm's steps lie: for each channel, the sums at which the next quantizer's code rises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# codes of sums: array of whole numbers [channels, ...] -> codes, same shape
Codes = Callable[[np.ndarray], np.ndarray]

_MOST_SHIFT = 40
_TRIED = 64


def thresholds(codes: Codes, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find by bisection the steps of monotone functions of whole numbers.

    Args:
        codes: one function a channel, rising or falling.
        low, high: ends of the range of sums, shape [channels].

    Returns:
        (sign, first, steps): the functions rise in ``sign * sum``; ``first`` is the code at the lower end of that;
        ``steps[c, k]`` is the smallest ``sign * sum`` whose code is at least ``first + k + 1``, int64, and one more
        than the range's end where no sum has it.
    """
    ends = codes(np.stack([low, high], 1))
    sign = np.where(ends[:, 1] >= ends[:, 0], 1, -1)
    start, stop = np.where(sign > 0, low, -high), np.where(sign > 0, high, -low)
    first, last = ends.min(1), ends.max(1)
    levels = int((last - first).max(initial=0))
    wanted = first[:, None] + 1 + np.arange(levels)
    below = np.broadcast_to(start[:, None] - 1, wanted.shape).copy()
    reaches = np.broadcast_to(stop[:, None] + 1, wanted.shape).copy()
    while (reaches - below > 1).any():
        middle = (below + reaches) // 2
        inside = np.clip(middle, start[:, None], stop[:, None])
        rises = (codes(sign[:, None] * inside) >= wanted) & (middle >= start[:, None]) | (
            middle > stop[:, None]
        )
        reaches, below = np.where(rises, middle, reaches), np.where(rises, below, middle)
    return sign, first, reaches


def multiply_add_shift(first: int, steps: np.ndarray, stop: int) -> tuple[int, int, int] | None:
    """Return (A, B, s) with ``(A * sum + B) >> s`` equal to the code for every sum of the range, or None.

    Args:
        first: code at the lower end. steps: where it rises by one each, ascending. stop: largest sum.

    The smallest shift that works, and of its factors the smallest. The code must be clamped to its range.

    >>> multiply_add_shift(0, np.array([3, 6, 9]), 11)
    (3, -1, 3)
    """
    reached = steps[steps <= stop].astype(object)
    if len(reached) == 0:
        return 0, int(first), 0
    levels = [first + 1 + k for k in range(len(reached))]
    slopes = _slopes(reached.astype(np.float64))
    for shift in range(_MOST_SHIFT):
        lowest, highest = (slope * 2.0**shift for slope in slopes)
        for factor in _whole(lowest, highest):
            least = max(level * 2**shift - factor * t for level, t in zip(levels, reached, strict=True))
            most = (
                min(level * 2**shift - factor * (t - 1) for level, t in zip(levels, reached, strict=True)) - 1
            )
            if least <= most:
                return factor, _roundest(int(least), int(most)), shift
    return None


def _slopes(steps: np.ndarray) -> tuple[float, float]:
    """The bounds that any two steps put on the slope of a line through all of them."""
    rise = np.arange(len(steps))
    lowest, highest = 0.0, np.inf
    for k in range(1, len(steps)):
        run = steps[k:] - steps[:-k]
        lowest = max(lowest, float((k / (run + 1)).max()))
        if (run > 1).any():
            highest = min(highest, float((k / np.maximum(run - 1, 1))[run > 1].min()))
    return (lowest, highest) if len(rise) > 1 else (0.0, np.inf)


def _whole(low: float, high: float) -> range:
    start = max(1, int(np.floor(low)))
    return range(start, int(min(high + 1, start + _TRIED)) + 1) if high >= low else range(0)


def _roundest(low: int, high: int) -> int:
    """The number of the interval with the most zeros at its end."""
    for bits in range(max(low.bit_length(), high.bit_length()) + 1, -1, -1):
        found = (high >> bits) << bits
        if found >= low:
            return found
    return low
