"""Staircases cut into segments of equal length that hold one step each: a table of the first bits, one comparison.

The first bits of a number say which level it starts from and where within the segment the step lies; its last bits are
compared with that. Exact for any staircase whose steps lie far enough apart: no line needs to run through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chop.integers.steps import roundest

MOST_INDEX = 9  # bits of a table's index
MOST_BESIDE = 10  # bits of the tables that say what lies beside it
Steps = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Segments:
    """A staircase in segments of ``2**bits`` numbers.

    Attributes:
        bits: last bits of a number, which lie within a segment.
        index_bits: bits before them, which choose the segment.
        start: number of the first segment of the table; ``2**index_bits`` follow one another.
        before: level at the start of each segment, ahead of a step that lies right there.
        after: level at its end.
        rises: number within the segment from which ``after`` holds; 0 where nothing changes.
        low, high: level below the table and above it; None where no number lies there.

    Entries stand in the order of the index: the last ``index_bits`` bits of the segment's number.
    """

    bits: int
    index_bits: int
    start: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    rises: tuple[int, ...]
    low: int | None
    high: int | None

    @property
    def goes_by_one(self) -> bool:
        """Whether every segment's levels are neighbours, so that the comparison is what is added."""
        return all(b - a == 1 for a, b in zip(self.before, self.after, strict=True))

    @property
    def aligned_bits(self) -> int:
        """Bits of a segment's number that do not matter for whether it lies beside the table."""
        return (
            min(self.index_bits, (self.start & -self.start).bit_length() - 1)
            if self.start
            else self.index_bits
        )

    def beside(self, width: int, is_signed: bool) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        """Return whether a number lies below, and above, by the bits before ``bits + aligned_bits`` as an index.

        Args:
            width: bits of the number. is_signed: whether the first is a sign.
        """
        count = max(0, width - self.bits - self.aligned_bits)
        values = range(1 << count)
        half = 1 << (count - 1) if is_signed and count else 0
        numbers = [((v ^ half) - half) << self.aligned_bits for v in values]
        stop = self.start + (1 << self.index_bits)
        return tuple(n < self.start for n in numbers), tuple(n >= stop for n in numbers)


def segments_of(bits: int, first: int, steps: Steps, low: int, high: int) -> Segments | None:
    """Return a staircase in segments; None where one holds two steps or a table is too long.

    Args:
        bits: last bits that lie within a segment.
        first: level below the first step.
        steps: (smallest number, level), at least one, each number above the last.
        low, high: smallest and largest number that there is.

    >>> s = segments_of(2, 0, [(5, 1), (9, 2), (14, 3)], -8, 15)
    >>> s.start, s.index_bits, s.before, s.rises, s.low, s.high
    (0, 2, (-1, 0, 1, 2), (0, 1, 1, 2), 0, None)
    """
    begin, end = steps[0][0] >> bits, steps[-1][0] >> bits
    index_bits = (end - begin).bit_length()
    if index_bits > MOST_INDEX:
        return None
    count = 1 << index_bits
    start = roundest(end + 1 - count, begin)
    levels = [first, *(level for _, level in steps)]
    step = 1 if levels[-1] >= first else -1
    at = np.array([number for number, _ in steps])
    starts = (start + np.arange(count)) << bits
    from_, to = np.searchsorted(at, starts, "left"), np.searchsorted(at, starts + (1 << bits), "left")
    if (to - from_ > 1).any():
        return None
    before = [levels[a] if a < b else levels[a] - step for a, b in zip(from_, to, strict=True)]
    after = [levels[b] for b in to]
    rises = [int(at[a] - s) if a < b else 0 for a, b, s in zip(from_, to, starts, strict=True)]
    order = (np.arange(count) - start) & (count - 1)  # index -> place
    low_level = first if low >> bits < start else None
    high_level = levels[-1] if high >> bits >= start + count else None
    rows = [tuple(int(row[i]) for i in order) for row in (before, after, rises)]
    made = Segments(bits, index_bits, start, rows[0], rows[1], rows[2], low_level, high_level)
    width = max((low if low >= 0 else ~low).bit_length(), high.bit_length()) + (low < 0)
    inside = low_level is None and high_level is None
    return made if inside or width - bits - made.aligned_bits <= MOST_BESIDE else None
