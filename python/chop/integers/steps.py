"""Where a batch norm's steps lie: for each channel, the sums at which the next quantizer's code rises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# codes of sums: array of whole numbers [channels, ...] -> codes, same shape
Codes = Callable[[np.ndarray], np.ndarray]

_MOST_SHIFT = 40
_TRIED = 64
_HELD = 1 << 61
_NEAR = 3  # sums; rounding moves a step of a line by two at most


def thresholds(codes: Codes, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the steps of monotone functions of whole numbers.

    First where a straight line from the first to the last step has them, which is near for a batch norm; what lies
    elsewhere is found by bisection.

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
    search = _Search(codes, sign[:, None], start[:, None], stop[:, None])
    if not levels:
        return sign, first, np.zeros((len(sign), 0), np.int64)
    outer = search.steps(np.stack([np.minimum(first + 1, last), last], 1))
    counts = np.arange(levels)
    slope = (outer[:, 1] - outer[:, 0]) / np.maximum(last - first - 1, 1)
    guesses = outer[:, :1] + np.rint(counts * slope[:, None]).astype(np.int64)
    return sign, first, search.steps(first[:, None] + 1 + counts, guesses)


class _Search:
    """The smallest rising sums that reach a code, of all channels at once."""

    def __init__(self, codes: Codes, sign: np.ndarray, start: np.ndarray, stop: np.ndarray) -> None:
        self.codes, self.sign, self.start, self.stop = codes, sign, start, stop

    def steps(self, wanted: np.ndarray, guesses: np.ndarray | None = None) -> np.ndarray:
        """Return them for codes ``wanted``, shape [channels, levels]; ``guesses`` need not be good."""
        below = np.broadcast_to(self.start - 1, wanted.shape).copy()
        reaches = np.broadcast_to(self.stop + 1, wanted.shape).copy()
        if guesses is not None:
            for away in (-_NEAR, _NEAR):
                self._look(guesses + away, wanted, below, reaches)
        while (open_ := (reaches - below > 1).any(0)).any():
            parts = [each[:, open_] for each in (wanted, below, reaches)]
            self._look((parts[1] + parts[2]) // 2, *parts)
            below[:, open_], reaches[:, open_] = parts[1:]
        return reaches

    def _look(self, at: np.ndarray, wanted: np.ndarray, below: np.ndarray, reaches: np.ndarray) -> None:
        """Narrow the brackets by the codes of the sums ``at``."""
        inside = np.clip(at, self.start, self.stop)
        rises = self.codes(self.sign * inside) >= wanted
        np.minimum(reaches, inside, out=reaches, where=rises)
        np.maximum(below, inside, out=below, where=~rises)


def lines_through(
    first: np.ndarray, steps: np.ndarray, stop: np.ndarray
) -> list[tuple[int, int, int]] | None:
    """Return :func:`multiply_add_shift` of every channel; None as soon as a channel has none."""
    found = []
    for channel in zip(first.tolist(), steps, stop.tolist(), strict=True):
        line = multiply_add_shift(*channel)
        if line is None:
            return None
        found.append(line)
    return found


def multiply_add_shift(first: int, steps: np.ndarray, stop: int) -> tuple[int, int, int] | None:
    """Return (A, B, s) with ``(A * sum + B) >> s`` equal to the code for every sum of the range, or None.

    Args:
        first: code at the lower end. steps: where it rises by one each, ascending. stop: largest sum.

    The smallest shift that works, and of its factors the smallest. The code must be clamped to its range.

    >>> multiply_add_shift(0, np.array([3, 6, 9]), 11)
    (3, -1, 3)
    """
    reached = steps[steps <= stop]
    if len(reached) == 0:
        return 0, int(first), 0
    origin = int(reached[0])
    runs = reached - origin
    lowest, highest = _slopes(runs)
    if lowest > highest:
        return None
    for shift in range(_MOST_SHIFT):
        for factor in _whole(lowest * 2.0**shift, highest * 2.0**shift):
            # The line is first + 1 + k at the least from steps[k] on, and less at the sum before.
            kind = _kind(len(runs) << shift, factor * int(runs[-1]))
            over = (np.arange(len(runs)).astype(kind) << shift) - factor * runs.astype(kind)
            offset = ((int(first) + 1) << shift) - factor * origin
            least, most = int(over.max()) + offset, int(over.min()) + factor + offset - 1
            if least <= most:
                return factor, roundest(least, most), shift
    return None


def _kind(*magnitudes: int) -> np.dtype[Any]:
    """int64 where it holds differences of such numbers, else Python's own."""
    return np.dtype(np.int64 if max(magnitudes) < _HELD else object)


def _slopes(runs: np.ndarray) -> tuple[float, float]:
    """The bounds that any two steps put on the slope of a line through all of them; ``runs`` ascend from 0.

    A line that has step i and step j > i has a slope above ``(j - i) / (run + 1)`` and below ``(j - i) / (run - 1)``.
    """
    if len(runs) == 1:
        return 0.0, np.inf
    lowest = _extreme(runs, 1)
    return lowest, _extreme(runs, -1) if runs[-1] > 1 else np.inf


def _extreme(runs: np.ndarray, more: int) -> float:
    """Return the largest (``more`` 1) or smallest (-1) of ``(j - i) / (runs[j] - runs[i] + more)`` over all i < j.

    Dinkelbach's iteration (Management Science 13(7), 1967), exact: a ratio is improved as long as a pair beats it.
    """
    rise, run = len(runs) - 1, int(runs[-1]) + more
    kind = _kind(2 * len(runs) * (run + 2))
    x: np.ndarray = runs.astype(kind)
    k: np.ndarray = np.arange(len(runs)).astype(kind)
    while True:
        above = more * (run * k - rise * x)
        gains = above[1:] - np.minimum.accumulate(above)[:-1]
        j = int(gains.argmax()) + 1
        if gains[j - 1] <= rise:
            return rise / run
        i = int(above[:j].argmin())
        rise, run = j - i, int(runs[j] - runs[i]) + more


def _whole(low: float, high: float) -> range:
    start = max(1, int(np.floor(low)))
    return range(start, int(min(high + 1, start + _TRIED)) + 1) if high >= low else range(0)


def roundest(low: int, high: int) -> int:
    """Return the number of an interval of whole numbers with the most zero bits at its end.

    >>> roundest(37, 43), roundest(-3, 5)
    (40, 0)
    """
    for bits in range(max(low.bit_length(), high.bit_length()) + 1, -1, -1):
        found = (high >> bits) << bits
        if found >= low:
            return found
    return low
