"""Each kind of cell as Verilog: all arithmetic is signed and every constant sized."""

from __future__ import annotations

from collections.abc import Callable
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


Lines = list[str]  # lines before it, and last the value


def _sum(name: str, cell: Cell, x: Operand, y: Operand) -> Lines:
    """An adder; lowest bits that only one of the two has pass by it."""
    x_bits, y_bits, minus = cell.settings
    sign = "-" if minus else "+"
    if y.cell.kind == "constant" and y.cell.low == 0:
        return [x.times(x_bits)]
    zeros = y_bits
    if y.cell.kind == "constant":
        zeros += (y.cell.low & -y.cell.low).bit_length() - 1
    if zeros and x_bits == 0 and x.cell.kind != "constant":
        high = fitting(y.cell.low << y_bits >> zeros) if y.cell.kind == "constant" else y.signed
        return _passing(name, cell, x, zeros, f"{sign} {high}")
    if x_bits and y_bits == 0 and not minus and y.cell.kind != "constant":
        high = fitting(x.cell.low) if x.cell.kind == "constant" else x.signed
        return _passing(name, cell, y, x_bits, f"+ {high}")
    return [f"{x.times(x_bits)} {sign} {y.times(y_bits)}"]


def _passing(name: str, cell: Cell, low: Operand, zeros: int, added: str) -> Lines:
    if cell.width <= zeros:  # the interval says that nothing reaches the high bits
        return [low.signed]
    kind = f"{'signed ' if cell.is_signed else ''}[{cell.width - zeros - 1}:0]"
    lowest = f"{low.name}[{zeros - 1}:0]" if low.cell.width > zeros else low.widened(zeros)
    return [f"wire {kind} {name}_h = {low.from_bit(zeros)} {added};", f"{{{name}_h, {lowest}}}"]


def _round(name: str, cell: Cell, x: Operand) -> Lines:
    shift = cell.settings[0]
    if cell.rounding == "floor":
        return [x.from_bit(shift)]
    up = x.bit(shift - 1)
    if cell.rounding == "half_even":
        up = f"{up} & ({x.any_below(shift - 1)} | {x.bit(shift)})"
    return [f"wire {name}_r = {up};", f"{x.from_bit(shift)} + $signed({{1'b0, {name}_r}})"]


def _clamp(name: str, cell: Cell, x: Operand) -> Lines:
    low, high = cell.settings
    text = x.signed
    if x.cell.high > high:
        text = f"{_above(x, high)} ? {fitting(high)} : {text}"
    if x.cell.low < low:
        text = f"{_below(x, low)} ? {fitting(low)} : {text}"
    return [text]


def _above(x: Operand, high: int) -> str:
    """Whether ``x > high``: by its first bits where they tell."""
    bits = (high + 1).bit_length() - 1
    if high < 0 or high + 1 != 1 << bits:
        return f"({x.signed} > {fitting(high)})"
    if not x.cell.is_signed:
        return f"(|{x.name}[{x.cell.width - 1}:{bits}])"
    return f"(~{x.bit(x.cell.width - 1)} & (|{x.name}[{x.cell.width - 2}:{bits}]))"


def _below(x: Operand, low: int) -> str:
    """Whether ``x < low``."""
    top = x.bit(x.cell.width - 1)
    if low == 0:
        return top
    bits = (-low).bit_length() - 1
    if low > 0 or -low != 1 << bits:
        return f"({x.signed} < {fitting(low)})"
    return f"({top} & ~(&{x.name}[{x.cell.width - 2}:{bits}]))"


def _stairs(name: str, cell: Cell, x: Operand) -> Lines:
    first, *rest = cell.settings
    steps = list(zip(rest[::2], rest[1::2], strict=True))

    def tree(below: int, part: list[tuple[int, int]]) -> str:
        if not part:
            return fitting(below)
        middle = len(part) // 2
        step, level = part[middle]
        return f"(({x.signed} >= {fitting(step)}) ? {tree(level, part[middle + 1 :])} : {tree(below, part[:middle])})"

    return [tree(first, steps)]


def _larger(name: str, cell: Cell, x: Operand, y: Operand) -> Lines:
    return [f"({x.signed} > {y.signed}) ? {x.signed} : {y.signed}"]


def _product(name: str, cell: Cell, x: Operand, y: Operand) -> Lines:
    return [f"{x.signed} * {y.signed}"]


TEXTS: dict[str, Callable[..., Lines]] = {
    "sum": _sum,
    "round": _round,
    "clamp": _clamp,
    "stairs": _stairs,
    "wrap": lambda name, cell, x: [x.signed],
    "larger": _larger,
    "product": _product,
}
