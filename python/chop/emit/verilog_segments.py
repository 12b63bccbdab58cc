"""A staircase in segments as Verilog: tables are constants of which the index chooses a bit."""

from __future__ import annotations

from collections.abc import Sequence

from chop.emit.cells import Cell
from chop.emit.segments import Segments, segments_of
from chop.emit.verilog_operands import Operand

Lines = list[str]


def segments(name: str, cell: Cell, x: Operand) -> Lines:
    """Return the lines of a cell ``segments``; the last is its value."""
    bits, first, *rest = cell.settings
    steps = list(zip(rest[::2], rest[1::2], strict=True))
    s = segments_of(bits, first, steps, x.cell.low, x.cell.high)
    assert s is not None  # the circuit has asked
    lines: Lines = []
    index = _wire(lines, f"{name}_i", s.index_bits, x.bits_from(bits, s.index_bits))
    value = _inside(lines, name, cell.width, x, s, index)
    beside = x.cell.width - bits - s.aligned_bits
    if s.low is None and s.high is None:
        return [*lines, value]
    value = _wire(lines, f"{name}_m", cell.width, value)
    outer = _wire(lines, f"{name}_o", beside, x.bits_from(bits + s.aligned_bits, beside))
    for what, level, places in zip(
        "ab", (s.low, s.high), s.beside(x.cell.width, x.cell.is_signed), strict=True
    ):
        if level is not None:
            is_there = _table(lines, f"{name}_{what}", [int(p) for p in places], 1, outer)
            value = f"{is_there} ? {_literal(level, cell.width)} : {value}"
    return [*lines, value]


def _inside(lines: Lines, name: str, width: int, x: Operand, s: Segments, index: str) -> str:
    """What the table and the comparison say."""
    if s.bits == 0:
        return _table(lines, f"{name}_l", s.after, width, index)
    risen = _risen(lines, name, s.bits, x, s.rises, index)
    if s.goes_by_one:
        return f"{_table(lines, f'{name}_l', s.before, width, index)} + {risen}"
    joined = [level for pair in zip(s.before, s.after, strict=True) for level in pair]
    both = _wire(lines, f"{name}_j", s.index_bits + 1, f"{{{index}, {risen}}}" if index else risen)
    return _table(lines, f"{name}_l", joined, width, both)


def _risen(lines: Lines, name: str, bits: int, x: Operand, rises: Sequence[int], index: str) -> str:
    """Whether a number has reached the step of its segment."""
    place = _table(lines, f"{name}_t", rises, bits, index)
    return _wire(lines, f"{name}_g", 1, f"{x.bits_from(0, bits)} >= {place}")


def _table(lines: Lines, name: str, entries: Sequence[int], width: int, index: str) -> str:
    """Add what the index chooses among entries, and return its name."""
    if not index:
        return _wire(lines, name, width, _literal(entries[0], width))
    columns = []
    for place in range(width):
        word = sum((entry >> place & 1) << i for i, entry in enumerate(entries))
        column = _wire(lines, f"{name}{place}", len(entries), f"{len(entries)}'h{word:x}")
        columns.append(f"{column}[{index}]")
    return _wire(lines, name, width, f"{{{', '.join(columns[::-1])}}}")


def _wire(lines: Lines, name: str, width: int, value: str) -> str:
    if width < 1:
        return ""
    lines.append(f"wire [{width - 1}:0] {name} = {value};")
    return name


def _literal(value: int, width: int) -> str:
    return f"{width}'d{value & ((1 << width) - 1)}"
