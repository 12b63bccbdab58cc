"""Steps of equal height as ``(A * v + B) >> s`` with a factor of few signed digits: few adders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chop.emit.terms import signed_digits
from chop.integers.steps import roundest

_MOST_SHIFT, _TRIED, _MORE = 40, 256, 3
_BITS = 62


@dataclass(frozen=True)
class Line:
    """``(factor * v + offset) >> shift`` is the level at every ``v`` of the range, once clamped to the levels."""

    factor: int
    offset: int
    shift: int

    @property
    def digits(self) -> int:
        """Signed digits of the factor."""
        return len(signed_digits(self.factor))


def cheapest_line(first: int, steps: np.ndarray) -> Line | None:
    """Return the line with the fewest digits, of the smallest shift that has one and the next three; None without one.

    Args:
        first: level below the first step.
        steps: the smallest ``v`` of each level above, one level each, ascending; at least one.

    A line is right if and only if it reaches each level at that step and not one before: that is what decides here,
    in whole numbers, so it is right at every ``v``.

    >>> cheapest_line(0, np.array([3, 6, 9]))
    Line(factor=3, offset=-1, shift=3)
    """
    levels = first + 1 + np.arange(len(steps), dtype=np.int64)
    if len(set(steps.tolist())) < len(steps):
        return None
    lowest, highest = _slopes(steps.astype(np.float64))
    best: Line | None = None
    last = _MOST_SHIFT
    for shift in range(_MOST_SHIFT):
        if shift > last or shift + int(np.abs(levels).max()).bit_length() > _BITS:
            break
        for line in _of_shift(levels, steps, shift, lowest, highest):
            if best is None or line.digits < best.digits:
                best = line
        if best is not None:
            last = min(last, best.shift + _MORE) if last == _MOST_SHIFT else last
    return best


def _of_shift(levels: np.ndarray, steps: np.ndarray, shift: int, lowest: float, highest: float) -> list[Line]:
    start = max(1, int(np.floor(lowest * 2.0**shift)))
    stop = int(min(highest * 2.0**shift + 1, start + _TRIED))
    reach = int(np.abs(steps).max(initial=1)) + 1
    if stop < start or stop.bit_length() + reach.bit_length() > _BITS:
        return []
    factors = np.arange(start, stop + 1, dtype=np.int64)[:, None]
    raised = levels << shift
    least = (raised - factors * steps).max(1)
    most = (raised - factors * (steps - 1)).min(1) - 1
    return [
        Line(int(factors[i, 0]), roundest(int(least[i]), int(most[i])), shift)
        for i in np.flatnonzero(least <= most)
    ]


def _slopes(steps: np.ndarray) -> tuple[float, float]:
    """What any two steps say of the slope of a line through all: a little less and a little more than allowed."""
    lowest, highest = 0.0, np.inf
    for k in range(1, len(steps)):
        run = steps[k:] - steps[:-k]
        lowest = max(lowest, float((k / (run + 1)).max()))
        if (run > 1).any():
            highest = min(highest, float((k / (run[run > 1] - 1)).min()))
    return (lowest, highest) if len(steps) > 1 else (0.0, np.inf)
