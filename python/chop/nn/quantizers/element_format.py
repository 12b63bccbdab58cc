"""What a parsed integer quantizer is where each channel, feature or weight has widths of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chop.nn.quantizers.format import FRAC_WIDTH_RANGE, WIDTH_RANGE, IntegerFormat
from chop.tools.errors import ConfigError

Widths = npt.NDArray[np.int8]


def is_list(value: Any) -> bool:
    """Whether a config's value holds one number an element."""
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


@dataclass(frozen=True, eq=False, slots=True)
class ElementFormat:
    """Fixed-point grids of an operand's elements; sign and modes are the same for all.

    Attributes:
        widths: bits of each element, int8, 0..32; 0 makes the element the constant 0. The shape is that of the
            operand, ``[channels]`` for a format a channel.
        frac_widths: fraction bits of each element, int8, -64..64, in the same shape; 0 where the width is 0.
        is_signed, rounding, overflow: as in :class:`IntegerFormat`.
        axis: the axis of the operand that one-dimensional widths go along.

    Two are equal if all of that is.

    >>> f = ElementFormat.of([4, 0, 8], 2, axis=1)
    >>> f.common, str(f)
    (IntegerFormat(width=8, frac_width=2, is_signed=True, rounding='half_even', overflow='saturate'), '0-8.0-2 (3)')
    """

    widths: Widths
    frac_widths: Widths
    is_signed: bool = True
    rounding: str = "half_even"
    overflow: str = "saturate"
    axis: int = 0

    @classmethod
    def of(
        cls,
        widths: Any,
        frac_widths: Any,
        is_signed: bool = True,
        rounding: str = "half_even",
        overflow: str = "saturate",
        axis: int = 0,
        where: str = "integer_quantizer: ",
    ) -> Self:
        """Make one of numbers and nested lists; one number goes for all, one a channel for all weights of it.

        Args:
            widths, frac_widths: at least one is a list; a fraction width of None is half the width, rounded down.
            where: what opens an error message; ``width`` or ``frac_width`` follows.

        Raises:
            ConfigError: numbers out of range, or two lists whose shapes do not go together.
        """
        bits = element_numbers(widths, (0, WIDTH_RANGE[1]), f"{where}width")
        if frac_widths is None:
            fracs = bits // 2
        else:
            fracs = element_numbers(frac_widths, FRAC_WIDTH_RANGE, f"{where}frac_width")
        if bits.ndim and fracs.ndim and bits.shape != fracs.shape:
            bits, fracs = _along_channels(bits, fracs), _along_channels(fracs, bits)
            if bits.shape != fracs.shape:
                raise ConfigError(
                    f"{where}width and frac_width must have one shape, or one of them a number for each channel of the "
                    f"other, got {list(bits.shape)} and {list(fracs.shape)}"
                )
        bits, fracs = (np.ascontiguousarray(each) for each in np.broadcast_arrays(bits, fracs))
        fracs = np.where(bits == 0, 0, fracs).astype(np.int8)
        for each in (bits, fracs):
            each.flags.writeable = False
        return cls(bits, fracs, is_signed, rounding, overflow, axis)

    def _key(self) -> tuple[Any, ...]:
        modes = (self.is_signed, self.rounding, self.overflow, self.axis)
        return (self.widths.shape, self.widths.tobytes(), self.frac_widths.tobytes(), *modes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ElementFormat) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return f"{_span(self.widths)}.{_span(self.frac_widths)} ({'×'.join(map(str, self.shape))})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the widths."""
        return self.widths.shape

    @property
    def common(self) -> IntegerFormat:
        """The finest of the elements' grids, with room for all codes: what is on a grid of its own is on this one too.

        Its width may exceed 32. Nothing is rounded or clamped on the way to it, so its modes are the usual ones.
        """
        used = self.widths > 0
        if not used.any():
            return IntegerFormat(1, 0, self.is_signed)
        fracs = self.frac_widths[used].astype(int)
        width = int((self.widths[used] + fracs.max() - fracs).max())
        return IntegerFormat(width, int(fracs.max()), self.is_signed)

    def parts(self) -> list[tuple[IntegerFormat, npt.NDArray[np.bool_]]]:
        """Return the distinct formats of a width above 0, and for each, in the shape of the widths, whose it is.

        Never empty: if every width is 0, one format that no element has.
        """
        used = self.widths > 0
        pairs = sorted(
            {(int(w), int(f)) for w, f in zip(self.widths[used], self.frac_widths[used], strict=True)}
        )
        modes = self.is_signed, self.rounding, self.overflow
        return [
            (IntegerFormat(w, f, *modes), (self.widths == w) & (self.frac_widths == f)) for w, f in pairs
        ] or [(IntegerFormat(1, 0, *modes), used)]


def laid_over(own: tuple[int, ...], axis: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape in which formats of the shape ``own`` broadcast against an operand of ``shape``.

    Raises:
        ConfigError: they do not fit.
    """
    dims = len(shape)
    if len(own) == 1 and -dims <= axis < dims and shape[axis] == own[0]:
        return tuple(size if place == axis % dims else 1 for place, size in enumerate(shape))
    if len(own) > 1 and tuple(shape) == own:
        return own
    along = f" along axis {axis}" if len(own) == 1 else ""
    raise ConfigError(
        f"integer formats of the shape {list(own)} do not fit an operand of the shape {list(shape)}{along}"
    )


def element_numbers(value: Any, limits: tuple[int, int], where: str) -> Widths:
    """Return a number or a nested list of whole numbers within limits as int8.

    Raises:
        ConfigError: anything else; an empty or a ragged list.

    >>> element_numbers([[1, 2], [3, 4]], (0, 32), "x").shape
    (2, 2)
    """
    low, high = limits
    found = _whole_numbers(value)
    if found is None or found.size == 0:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        raise ConfigError(
            f"{where} must be a whole number or a full list of whole numbers {low}..{high}, got {shown}"
        )
    outside = found[(found < low) | (found > high)]
    if outside.size:
        raise ConfigError(f"{where} must be {low}..{high} everywhere, got {outside.flat[0]}")
    return found.astype(np.int8)


def plain_numbers(value: Any) -> Any:
    """Return arrays and tuples as (nested) lists of Python's numbers, which files hold; other values as they are.

    >>> plain_numbers({"weight_width": np.array([2, 3]), "name": "integer"})
    {'weight_width': [2, 3], 'name': 'integer'}
    """
    if isinstance(value, Mapping):
        return {key: plain_numbers(each) for key, each in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        numbers = _whole_numbers(value)  # large lists: in one go
        return [plain_numbers(each) for each in value] if numbers is None else numbers.tolist()
    return value


def _whole_numbers(value: Any) -> npt.NDArray[Any] | None:
    """An array of whole numbers; None where one is none (True is none), or a list is ragged or empty."""
    if not isinstance(value, np.ndarray):
        try:
            value = np.array(value, dtype=object)
        except ValueError:  # ragged
            return None
        kinds = set(map(type, value.ravel().tolist()))
        if not kinds or not all(issubclass(kind, (int, np.integer)) and kind is not bool for kind in kinds):
            return None
        try:
            return value.astype(np.int64)
        except OverflowError:
            return value
    return value if value.dtype.kind in "iu" else None


def _along_channels(each: Widths, other: Widths) -> Widths:
    if each.ndim == 1 and other.ndim > 1 and each.shape[0] == other.shape[0]:
        return np.broadcast_to(each.reshape(-1, *[1] * (other.ndim - 1)), other.shape)
    return each


def _span(numbers: Widths) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return str(low) if low == high else f"{low}-{high}"
