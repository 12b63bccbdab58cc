"""Which exponent biases of a small format can be the best for a tensor, from how many numbers lie in each binade.

All values of such a format scale by ``2**-bias``. Let ``b0`` be the largest bias at which nothing saturates.

* Below ``b0`` the values up to the largest number are among those of ``b0``, so no error is smaller.
* Above, the numbers of the binades beyond the largest value ``L`` all become ``L``, which costs ``sum (|x| - L)**2``;
  this only grows with the bias. Once it exceeds what the errors at ``b0`` can be at most, no further bias is better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

_MOST = 480  # biases that are looked at: beyond, all of float32 lies on one side
_LOWEST, _COUNT = -150, 280  # exponents of float32 numbers


@dataclass(slots=True)
class Binades:
    """Counts, sums and sums of squares of the finite magnitudes of a stream, binade by binade.

    >>> import torch
    >>> found = Binades()
    >>> found.add(torch.tensor([0.0, 0.5, -3.0, torch.nan]))
    >>> found.finite, found.zeros, found.biases(top=0.875, exponent=1, lowest=-2, relative=2**-4)
    (3, 1, range(-1, 0))
    """

    finite: int = 0
    zeros: int = 0
    largest: float = 0.0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(_COUNT))
    sums: np.ndarray = field(default_factory=lambda: np.zeros(_COUNT))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(_COUNT))

    def add(self, x: Tensor) -> None:
        """Take the next numbers, float32."""
        size = np.abs(x.numpy().astype(np.float64).ravel())
        size = size[np.isfinite(size)]
        self.finite += size.size
        size = size[size > 0]
        self.zeros = self.finite - int(self.counts.sum()) - size.size
        if size.size:
            self.largest = max(self.largest, float(size.max()))
            place = np.frexp(size)[1] - 1 - _LOWEST
            self.counts += np.bincount(place, minlength=_COUNT)
            self.sums += np.bincount(place, size, minlength=_COUNT)
            self.squares += np.bincount(place, size * size, minlength=_COUNT)

    def biases(self, top: float, exponent: int, lowest: int, relative: float, zero: bool = False) -> range:
        """Return the biases among which the best one is; empty where all numbers are 0.

        Args:
            top, exponent: the format's largest value at bias 0 is ``top * 2**exponent``, with ``0.5 <= top < 1``.
            lowest: exponent of the format's smallest value at bias 0.
            relative: no error is larger than this part of the next power of two, or than the smallest value.
            zero: whether a 0 becomes the smallest value.
        """
        if not self.counts.any():
            return range(0)
        needed, at = math.frexp(self.largest)
        first = exponent - at - (1 if needed > top else 0)  # the first at which nothing saturates
        last, bound = first, self._most(first, lowest, relative, zero)
        while last < first + _MOST and self._least(math.ldexp(top, exponent - last - 1)) <= bound:
            last += 1
            if not zero and not self._below(exponent - 1 - last):
                break  # all saturate, and go on to
        return range(first, last + 1)

    def _most(self, bias: int, lowest: int, relative: float, zero: bool) -> float:
        """What all errors can be at most where nothing saturates."""
        above = relative * 2.0 ** (np.arange(_COUNT) + _LOWEST + 1.0)
        smallest = math.ldexp(1.0, lowest - bias)
        each = np.maximum(above, smallest)
        return float((self.counts * each * each).sum() + (self.zeros * smallest**2 if zero else 0.0))

    def _least(self, largest: float) -> float:
        """What the numbers of the binades beyond a largest value cost."""
        first = max(math.frexp(largest)[1] - _LOWEST, 0)  # the binade above that of `largest`
        n, s, q = (float(part[first:].sum()) for part in (self.counts, self.sums, self.squares))
        return (q - 2.0 * largest * s + n * largest * largest) * (1.0 - 1e-9)

    def _below(self, exponent: int) -> bool:
        """Whether any number lies in the binade of that exponent or below."""
        return bool(self.counts[: max(exponent + 1 - _LOWEST, 0)].any())
