"""What a parsed integer quantizer is: width, fraction width and sign."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH_RANGE = (1, 32)
FRAC_WIDTH_RANGE = (-64, 64)


@dataclass(frozen=True, slots=True)
class IntegerFormat:
    """A fixed-point grid: ``width`` bits, the lowest of which is worth ``2 ** -frac_width``.

    >>> f = IntegerFormat(8, 4, True)
    >>> f.qmin, f.qmax, f.scale
    (-128, 127, 0.0625)
    """

    width: int
    frac_width: int
    is_signed: bool = True

    @property
    def qmin(self) -> int:
        """Smallest integer code."""
        return -(1 << (self.width - 1)) if self.is_signed else 0

    @property
    def qmax(self) -> int:
        """Largest integer code."""
        return (1 << (self.width - 1)) - 1 if self.is_signed else (1 << self.width) - 1

    @property
    def scale(self) -> float:
        """Value of one code step; code times scale is the quantized value."""
        return 2.0**-self.frac_width
