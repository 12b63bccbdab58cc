"""Each kind of cell as Verilog: all arithmetic is signed and every constant sized."""

from __future__ import annotations

from collections.abc import Callable

from chop.emit.cells import Cell
from chop.emit.verilog_operands import Operand, fitting
from chop.emit.verilog_segments import segments

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
    "segments": segments,
    "wrap": lambda name, cell, x: [x.signed],
    "larger": _larger,
    "product": _product,
}
