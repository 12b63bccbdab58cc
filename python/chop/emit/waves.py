"""What an estimate knows of the numbers behind a node: range, grid, and what they have passed since the sum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chop.emit.between import MOST_COMPARED
from chop.nn.quantizers import IntegerFormat

_TABLE_BITS = 6  # of the index of a LUT
_FURTHEST = 40


@dataclass(frozen=True)
class Wave:
    """Numbers of one node, one entry a channel, or one for all.

    Attributes:
        low, high: ends of the whole numbers that come out of the last sum (or enter), float64.
        unit: value of one of them.
        slope, offset: of the batch norms behind the sum: a value is ``code * unit * slope + offset``.
        least, most: ends of the values.
        frac: coarsest grid of a quantizer since then; None before the first one.
        out_frac: grid of the last one.
        halves: whether a quantizer rounded to the nearest.
        on_host: whether no quantizer has been met: these numbers are the host's.
    """

    low: np.ndarray
    high: np.ndarray
    unit: float
    slope: np.ndarray
    offset: np.ndarray
    least: np.ndarray
    most: np.ndarray
    frac: int | None = None
    out_frac: int = 0
    halves: bool = False
    on_host: bool = False

    @classmethod
    def of_codes(cls, low: np.ndarray, high: np.ndarray, frac: int, on_host: bool = False) -> Wave:
        """Whole numbers in units of ``2**-frac``."""
        one, unit = np.ones(1), 2.0**-frac
        return cls(low, high, unit, one, 0.0 * one, low * unit, high * unit, out_frac=frac, on_host=on_host)

    def affine(self, factor: np.ndarray, offset: np.ndarray) -> Wave:
        """Behind a batch norm."""
        ends = np.stack([self.least, self.most]) * factor + offset
        slope, moved = self.slope * factor, self.offset * factor + offset
        return replace(self, slope=slope, offset=moved, least=ends.min(0), most=ends.max(0))

    def clamped(self, low: float | None, high: float | None) -> Wave:
        """Behind a function that brings into range."""
        least, most = (np.clip(end, low, high) for end in (self.least, self.most))
        return replace(self, least=least, most=most)

    def quantized(self, to: IntegerFormat) -> Wave:
        """Behind a quantizer."""
        frac = to.frac_width if self.frac is None else min(self.frac, to.frac_width)
        least, most = (
            np.rint(np.clip(end / to.scale, to.qmin, to.qmax)) * to.scale for end in (self.least, self.most)
        )
        halves = self.halves or to.rounding != "floor"
        return replace(self, least=least, most=most, frac=frac, out_frac=to.frac_width, halves=halves)

    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the whole numbers behind the last quantizer."""
        return self.least * 2.0**self.out_frac, self.most * 2.0**self.out_frac

    def luts(self) -> np.ndarray:
        """About how many LUTs stand between the sum and the last quantizer, one entry a channel.

        As in :mod:`chop.emit.between`: segments, comparisons with few steps, a line, or a rounding shift where no
        batch norm is.
        """
        if self.frac is None or self.on_host:
            return np.zeros(len(self.low))
        low, high = self.codes()
        levels = np.ceil((self.most - self.least) * 2.0**self.frac)
        width, wide = bits_of(low, high), bits_of(self.low, self.high)
        gap = 2.0**-self.frac / np.maximum(self.unit * np.abs(self.slope), 1e-30)
        reach = np.minimum(levels * gap, self.high - self.low + 1)
        bits = np.floor(np.log2(np.clip(gap, 1.0, 2.0**_FURTHEST)))
        index = np.ceil(np.log2(np.maximum(reach / 2.0**bits, 1.0) + 1.0))
        beside = np.where(reach < self.high - self.low, 1.3 * width + 1.5, 0.0)
        segments = (width + bits) * 2.0 ** np.clip(index - _TABLE_BITS, 0.0, 8.0) + 0.6 * bits + beside
        line = 4.0 * wide + beside
        steps = np.minimum(levels, self.high - self.low)  # no more than there are sums
        compared = np.where(steps <= MOST_COMPARED, steps * (1.0 + 0.35 * np.maximum(0.0, wide - 4)), np.inf)
        found = np.minimum(np.minimum(segments, line), compared)
        if not self.offset.any() and self._is_shift():
            found = np.minimum(found, self._shifted(width, wide, gap))
        return np.where(levels > 0, found, 0.0)

    def _is_shift(self) -> bool:
        return bool((self.slope == 1).all())

    def _shifted(self, width: np.ndarray, wide: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Drop bits, round, clamp."""
        shift = np.log2(gap)
        rounding = np.where((shift > 0) & self.halves, width + shift / 5, 0.0)
        return rounding + 0.6 * width + np.maximum(0.0, wide - width) / 5


def bits_of(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the bits of whole numbers between ends; 0 where there is one number only.

    >>> bits_of(np.array([-8.0, 0.0, 5.0]), np.array([7.0, 7.0, 5.0])).tolist()
    [4.0, 3.0, 0.0]
    """
    magnitude = np.maximum(high + 1, -low)
    width = np.ceil(np.log2(np.maximum(magnitude, 1.0))) + (low < 0)
    return np.where(high > low, np.maximum(width, 1.0), 0.0)
