"""``ap_fixed`` types that hold codes of an integer net exactly, or round and saturate as one of its quantizers does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chop.integers import Operation

_MODES = {"half_even": "RND_CONV", "floor": "TRN", "half_up": "RND"}
_OVERFLOWS = {"saturate": "SAT", "wrap": "WRAP"}


@dataclass(frozen=True)
class FixedType:
    """``ap_fixed`` or ``ap_ufixed``; exact unless rounding and overflow say otherwise.

    >>> str(FixedType(6, 3)), str(FixedType(5, -1, False, "RND_CONV", "SAT"))
    ('fixed<6,3,TRN,WRAP>', 'ufixed<5,6,RND_CONV,SAT>')
    """

    width: int
    frac_width: int
    is_signed: bool = True
    rounding: str = "TRN"
    overflow: str = "WRAP"

    def __str__(self) -> str:
        sign = "" if self.is_signed else "u"
        numbers = f"{self.width},{self.width - self.frac_width},{self.rounding},{self.overflow}"
        return f"{sign}fixed<{numbers}>"

    @property
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.width - 1)) if self.is_signed else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.width - self.is_signed)) - 1


def exact(low: int, high: int, frac_width: int) -> FixedType:
    """Return the narrowest type that holds a range of codes.

    >>> str(exact(-5, 3, 2)), str(exact(0, 8, 0))
    ('fixed<4,2,TRN,WRAP>', 'ufixed<4,4,TRN,WRAP>')
    """
    width = max((v if v >= 0 else -v - 1).bit_length() for v in (low, high))
    return FixedType(max(1, width + (low < 0)), frac_width, low < 0)


def of_values(codes: np.ndarray, frac_width: int) -> FixedType:
    """Return the narrowest type that holds some codes and zero."""
    return exact(min(0, int(codes.min())), max(0, int(codes.max())), frac_width)


def of_quantizer(op: Operation) -> FixedType:
    """Return the type of the codes of a ``quantize`` or ``requantize``."""
    s, o = op.settings, op.output
    is_signed = o.high < 1 << (s["width"] - 1)
    modes = _MODES[s["rounding"]], _OVERFLOWS[s["overflow"]]
    return FixedType(s["width"], int(o.frac_width or 0), is_signed, *modes)


def numbers(codes: np.ndarray, frac_width: int) -> np.ndarray:
    """Return what codes stand for, float64."""
    return np.ascontiguousarray(codes, np.float64) * 2.0**-frac_width
