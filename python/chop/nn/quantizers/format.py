"""What a parsed integer quantizer is: width, fraction width, sign, and how numbers get onto the grid."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH_RANGE = (1, 32)
FRAC_WIDTH_RANGE = (-64, 64)

# MASE's come first: they are the defaults. The native operators take a mode as its place here.
ROUNDING_MODES = ("half_even", "floor", "half_up")
OVERFLOW_MODES = ("saturate", "wrap")


@dataclass(frozen=True, slots=True)
class IntegerFormat:
    """A fixed-point grid: ``width`` bits, the lowest of which is worth ``2 ** -frac_width``.

    Attributes:
        width: bits, 1..32.
        frac_width: fraction bits, -64..64.
        is_signed: two's complement codes if True, else codes from 0 up.
        rounding: ``half_even``: to the nearest code, ties to the even one (MASE's; AP_RND_CONV). ``floor``: down,
            which drops the lowest bits of a two's complement number and is free in hardware (AP_TRN).
            ``half_up``: to the nearest code, ties up: half a step is added, then bits are dropped (AP_RND).
        overflow: ``saturate``: to the nearest end of the range (MASE's; AP_SAT). ``wrap``: the highest bits are
            dropped, that is modulo ``2 ** width``, which is free in hardware (AP_WRAP).

    The AP names are those of the HLS type ``ap_fixed``; ``ac_fixed`` has the same ones as AC_TRN, AC_RND, AC_SAT, …

    >>> f = IntegerFormat(8, 4, True)
    >>> f.qmin, f.qmax, f.scale
    (-128, 127, 0.0625)
    """

    width: int
    frac_width: int
    is_signed: bool = True
    rounding: str = ROUNDING_MODES[0]
    overflow: str = OVERFLOW_MODES[0]

    @property
    def mode_numbers(self) -> tuple[int, int]:
        """Rounding and overflow as the native operators take them."""
        return ROUNDING_MODES.index(self.rounding), OVERFLOW_MODES.index(self.overflow)

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
