"""A cell under the name that it has where it is used: its bits, its sign, its value as a literal."""

from __future__ import annotations

from dataclasses import dataclass

from chop.emit.cells import Cell


@dataclass(frozen=True)
class Operand:
    """A cell under the name that it has where it is used."""

    cell: Cell
    name: str

    @property
    def signed(self) -> str:
        """The number in signed arithmetic; a constant as a literal."""
        if self.cell.kind == "constant":
            return fitting(self.cell.low)
        return self.name if self.cell.is_signed else f"$signed({{1'b0, {self.name}}})"

    def times(self, bits: int) -> str:
        """The number times ``2**bits``."""
        if self.cell.kind == "constant":
            return fitting(self.cell.low << bits)
        return f"$signed({{{self.signed}, {bits}'d0}})" if bits else self.signed

    def from_bit(self, first: int) -> str:
        """The number without its last bits, rounded down."""
        if first >= self.cell.width:
            return f"$signed({self.bit(first)})" if self.cell.is_signed else "1'sd0"
        part = f"{self.name}[{self.cell.width - 1}:{first}]"
        return f"$signed({part})" if self.cell.is_signed else f"$signed({{1'b0, {part}}})"

    def bit(self, place: int) -> str:
        """One bit of it, as if it went on for ever."""
        if place < self.cell.width:
            return f"{self.name}[{place}]"
        return f"{self.name}[{self.cell.width - 1}]" if self.cell.is_signed else "1'b0"

    def bits_from(self, first: int, count: int) -> str:
        """So many bits as an unsigned number, as if it went on for ever."""
        stop = first + count
        if count < 1:
            return ""
        if stop <= self.cell.width:
            return f"{self.name}[{stop - 1}:{first}]"
        return f"{{{', '.join(self.bit(place) for place in range(stop - 1, first - 1, -1))}}}"

    def any_below(self, place: int) -> str:
        """Whether any of the last ``place`` bits is one."""
        return f"(|{self.name}[{min(place, self.cell.width) - 1}:0])" if place > 0 else "1'b0"

    def widened(self, width: int) -> str:
        """The number in more bits."""
        more = width - self.cell.width
        return f"{{{{{more}{{{self.bit(self.cell.width)}}}}}, {self.name}}}" if more else self.name


def bits_of(cell: Cell) -> str:
    """Return the type of a cell's wire."""
    return f"{'signed ' if cell.is_signed else ''}[{cell.width - 1}:0]"


def fitting(value: int) -> str:
    """Return a signed constant that holds its magnitude too: ``-3'sd4`` would be 4 where it is widened.

    >>> fitting(3), fitting(-4), fitting(0)
    ("3'sd3", "-4'sd4", "1'sd0")
    """
    width = abs(value).bit_length() + 1
    return f"-{width}'sd{-value}" if value < 0 else f"{width}'sd{value}"
