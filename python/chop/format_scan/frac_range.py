"""Which fraction widths can be the best for a tensor, from the size of its numbers alone.

For a width and a sign, let ``E(f)`` be the sum of squared errors at fraction width ``f``. Numbers on a side that the
format lacks (negative ones without sign, positive ones with a single signed bit) become 0 at every ``f``: they add a
constant and are left out here. Of the others let ``M`` be the largest magnitude and ``s`` the smallest one above 0.

* Below: where ``M * 2**f <= 1/2`` every number becomes 0, so all those ``f`` have the same error: one stands for all.
* Above, first: where ``s * 2**f`` reaches the largest code, all numbers saturate, at ``code * 2**-f``, and this only
  moves away from them as ``f`` grows.
* Above, second: let ``f0`` be the largest ``f`` at which nothing saturates. There each error is at most half a step,
  so ``E(f0) <= n * 4**-f0 / 4``. Beyond ``f0`` the error of the largest number alone is ``(M - code * 2**-f)**2``,
  which only grows with ``f``. Once it exceeds that bound, no further ``f`` can be better than ``f0``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from chop.nn.quantizers.format import FRAC_WIDTH_RANGE, IntegerFormat

_LOWEST, _HIGHEST = FRAC_WIDTH_RANGE


@dataclass(slots=True)
class Magnitudes:
    """Sizes of the finite numbers of a stream, the two sides apart.

    >>> found = Magnitudes()
    >>> found.add(torch.tensor([0.5, -3.0, 0.0, torch.inf]))
    >>> found.largest, found.smallest, found.counts, found.finite
    ([3.0, 0.5], [3.0, 0.5], [1, 1], 3)
    """

    largest: list[float]
    smallest: list[float]
    counts: list[int]
    finite: int = 0

    def __init__(self) -> None:
        self.largest, self.smallest, self.counts = [0.0, 0.0], [math.inf, math.inf], [0, 0]
        self.finite = 0

    def add(self, x: Tensor) -> None:
        """Take the next numbers, float32."""
        finite = torch.isfinite(x)
        self.finite += int(finite.sum())
        for side, chosen in enumerate((finite & (x < 0), finite & (x > 0))):
            count = int(chosen.sum())
            if count:
                sizes = x[chosen].abs()
                self.counts[side] += count
                self.largest[side] = max(self.largest[side], float(sizes.max()))
                self.smallest[side] = min(self.smallest[side], float(sizes.min()))


def frac_range(found: Magnitudes, width: int, is_signed: bool) -> range:
    """Return the fraction widths, -64..64, among which the best one is; empty where all have the same error.

    >>> found = Magnitudes()
    >>> found.add(torch.tensor([0.75, -0.3]))
    >>> frac_range(found, 8, True)
    range(-1, 8)
    """
    codes = _largest_codes(width, is_signed)
    sides = [side for side in (0, 1) if codes[side] > 0 and found.counts[side]]
    if not sides:
        return range(0)
    largest = max(found.largest[side] for side in sides)
    low = max(-math.frexp(largest)[1] - 1, _LOWEST)
    if low >= _HIGHEST:  # so small that they become 0 at every fraction width
        return range(0)
    smallest = min(found.smallest[side] for side in sides)
    # smallest >= 2^(exponent - 1), and every code is at most 2^width.
    all_saturate = width - math.frexp(smallest)[1] + 1
    high = min(all_saturate, _HIGHEST)
    count = sum(found.counts[side] for side in sides)
    at = [(found.largest[side], codes[side]) for side in sides]
    return range(low, max(low, _bounded(at, count, low, high)) + 1)


def _bounded(at: list[tuple[float, float]], count: int, low: int, high: int) -> int:
    """The last fraction width up to ``high`` that the error of the largest numbers does not rule out."""
    fits = [f for f in range(low, high + 1) if all(m <= code * 2.0**-f for m, code in at)]
    if not fits:
        return high
    bound = count * 4.0 ** -fits[-1] / 4.0
    for f in range(fits[-1] + 1, high + 1):
        if max(max(m - code * 2.0**-f, 0.0) for m, code in at) ** 2 > bound:
            return f - 1
    return high


def _largest_codes(width: int, is_signed: bool) -> tuple[float, float]:
    """Magnitudes of the outermost codes, as float32 has them: negative side, positive side."""
    grid = IntegerFormat(width, 0, is_signed)
    return tuple(float(torch.tensor(abs(code), dtype=torch.float32)) for code in (grid.qmin, grid.qmax))  # type: ignore[return-value]
