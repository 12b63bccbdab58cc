"""About how many LUTs of six inputs a cell takes: a guide to choose between forms, and the start of an estimate."""

from __future__ import annotations

from chop.emit.cells import Cell, Circuit
from chop.emit.segments import segments_of


def luts_of(circuit: Circuit, cell: Cell) -> float:
    """Return about how many LUTs synthesis makes of a cell."""
    wide = circuit[cell.inputs[0]].width if cell.inputs else 0
    if cell.kind == "sum":
        return float(_added(circuit, cell))
    if cell.kind == "round":
        return 0.0 if cell.rounding == "floor" else cell.width + cell.settings[0] / 5
    if cell.kind == "clamp":
        return 0.6 * cell.width + max(0, wide - cell.width) / 5
    if cell.kind == "stairs":
        return _stairs(wide, cell)
    if cell.kind == "segments":
        return _segments(circuit, cell)
    if cell.kind == "larger":
        return 1.5 * max(wide, circuit[cell.inputs[1]].width)
    if cell.kind == "product":
        return float(wide * circuit[cell.inputs[1]].width)
    return 0.0


def _added(circuit: Circuit, cell: Cell) -> int:
    """Bits that an adder works on: lowest bits that only one of the two has pass by, if it is not subtracted."""
    x_bits, y_bits, minus = cell.settings
    passing = y_bits if circuit[cell.inputs[0]].kind != "constant" or not minus else 0
    passing = max(passing, 0 if minus else x_bits)
    y = circuit[cell.inputs[1]]
    if y.kind == "constant":
        passing = max(passing, (y.low & -y.low).bit_length() - 1 + y_bits) if y.low else cell.width
    return max(0, cell.width - passing)


def _stairs(width: int, cell: Cell) -> float:
    """Every step is a comparison with a constant and a choice."""
    steps = (len(cell.settings) - 1) // 2
    return steps * (1.0 + 0.35 * max(0, width - 4))


def _segments(circuit: Circuit, cell: Cell) -> float:
    """A table's bit is a LUT up to six bits of index; then the comparison, and the ends beside the table."""
    bits, first, *rest = cell.settings
    x = circuit[cell.inputs[0]]
    s = segments_of(bits, first, list(zip(rest[::2], rest[1::2], strict=True)), x.low, x.high)
    assert s is not None
    tables = cell.width * (1 if s.goes_by_one else 2) + bits
    beside = 1.3 * cell.width + 1.5 if s.low is not None or s.high is not None else 0.0
    return tables * 2.0 ** max(0, s.index_bits - 6) + 0.6 * bits + beside
