"""What stands between two sums: a chain of functions that never fall (or never rise), in its cheapest exact form.

Batch norm, ReLU, quantizers: one staircase of the sum. It is written as comparisons with its steps, as a line with a
shift, or function by function, whichever costs least; the layer's bias costs nothing in the first two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from chop.emit.cells import Circuit
from chop.emit.costs import luts_of
from chop.emit.lines import cheapest_line
from chop.emit.terms import Term, as_cell, times
from chop.integers import Operation
from chop.integers.execute import KINDS
from chop.integers.steps import thresholds

CHAINED = frozenset({"requantize", "clamp", "thresholds", "multiply_add_shift"})
MOST_COMPARED = 15  # steps that are compared one by one: 4 bits
_MOST_LEVELS = 1 << 12
_TRIED = 3  # lengths of segments, from the longest that may fit

Form = Callable[[Circuit], int | None]  # adds its cells and returns the last; None: it does not fit


@dataclass(frozen=True)
class Number:
    """``term + offset``: a sum whose constant waits for what comes next."""

    term: Term | None
    offset: int = 0

    def cell(self, circuit: Circuit) -> int:
        """Return it as a cell."""
        return as_cell(circuit, self.term, self.offset)

    def shifted(self, bits: int) -> Number:
        """The same times a power of two."""
        return Number(self.term and self.term.shifted(bits), self.offset << bits)


def never_turns(op: Operation) -> bool:
    """Whether an operation is a function of one number that only rises or only falls."""
    return op.kind in CHAINED and op.settings.get("overflow") != "wrap"


def chain(circuit: Circuit, ops: Sequence[Operation], numbers: Sequence[Number]) -> list[int]:
    """Add a chain of operations on the numbers of a tensor, in C order, and return its cells."""
    size = len(numbers)
    behind = size // ops[0].output.shape[0]
    stairs = _staircases(circuit, ops, numbers, np.arange(size) // behind)
    found = []
    for place, number in enumerate(numbers):
        forms: list[Form] = [partial(_one_by_one, ops=ops, number=number, channel=place // behind)]
        if number.term is not None and stairs is not None:
            forms += [*_compared(number, stairs[place]), *_line(number, stairs[place])]
        found.append(_cheapest(circuit, forms))
    return found


def _cheapest(circuit: Circuit, forms: Sequence[Form]) -> int:
    found: tuple[float, Form] | None = None
    for form in forms:
        before = len(circuit.cells)
        if form(circuit) is not None:
            cost = sum(luts_of(circuit, cell) for cell in circuit.cells[before:])
            found = (cost, form) if found is None or cost < found[0] else found
        circuit.undo(before)
    assert found is not None  # one by one always fits
    cell = found[1](circuit)
    assert cell is not None
    return cell


@dataclass(frozen=True)
class Staircase:
    """Levels of a function of a cell: rising in ``sign * v``, from ``first`` by one at each step."""

    sign: int
    first: int
    steps: np.ndarray


def _staircases(
    circuit: Circuit, ops: Sequence[Operation], numbers: Sequence[Number], channels: np.ndarray
) -> list[Staircase | None] | None:
    """The chain as a function of each number's cell; None where it has too many levels."""
    if ops[-1].output.high - ops[-1].output.low >= _MOST_LEVELS:
        return None
    whole = [i for i, n in enumerate(numbers) if n.term is not None]
    if not whole:
        return [None] * len(numbers)
    terms = [(numbers[i].term, numbers[i].offset) for i in whole]
    factor = np.array([(-1 if t.minus else 1) << t.bits for t, _ in terms if t is not None], np.int64)
    offset = np.array([o for _, o in terms], np.int64)
    cells = [circuit[t.cell] for t, _ in terms if t is not None]
    rows = [_of_channels(op, channels[whole]) for op in ops]

    def codes(v: np.ndarray) -> np.ndarray:
        made = v * factor[:, None] + offset[:, None]
        for op in rows:
            made = KINDS[op.kind](op, made.T).T
        return made

    low, high = np.array([c.low for c in cells]), np.array([c.high for c in cells])
    sign, first, steps = thresholds(codes, low, high)
    found: list[Staircase | None] = [None] * len(numbers)
    for row, i in enumerate(whole):
        stop = high[row] if sign[row] > 0 else -low[row]
        found[i] = Staircase(int(sign[row]), int(first[row]), steps[row][steps[row] <= stop])
    return found


def _of_channels(op: Operation, channels: np.ndarray) -> Operation:
    return replace(op, constants={key: value[channels] for key, value in op.constants.items()})


def _compared(number: Number, stairs: Staircase | None) -> list[Form]:
    """Comparisons of the cell with each step; or tables of its first bits and one comparison, for each way to cut."""
    assert number.term is not None
    cell = number.term.cell
    if stairs is None:
        return []
    first, steps = _rising(stairs)
    forms: list[Form] = [lambda c: c.stairs(cell, first, steps)] if len(steps) <= MOST_COMPARED else []
    if len(steps) < 2:
        return forms
    gap = min(b[0] - a[0] for a, b in pairwise(steps))
    return forms + [
        partial(_segments, cell=cell, bits=bits, first=first, steps=steps)
        for bits in range(max(0, gap.bit_length() - _TRIED), gap.bit_length() + 1)
    ]


def _segments(circuit: Circuit, cell: int, bits: int, first: int, steps: list[tuple[int, int]]) -> int | None:
    return circuit.segments(cell, bits, first, steps)


def _rising(stairs: Staircase) -> tuple[int, list[tuple[int, int]]]:
    """The level below the first step, and (smallest value of the cell, level): rising in the value."""
    last: dict[int, int] = {}
    for k, step in enumerate(stairs.steps.tolist()):
        last[step] = stairs.first + k + 1  # of several levels at one place the highest
    if stairs.sign > 0:
        return stairs.first, list(last.items())
    levels = [stairs.first, *last.values()]  # they fall: the value passes the step's mirror one later
    mirrored = [(1 - step, level) for step, level in zip(last, levels, strict=False)]
    return levels[-1], mirrored[::-1]


def _line(number: Number, stairs: Staircase | None) -> list[Form]:
    """A product with a constant, a shift, a clamp."""
    assert number.term is not None
    cell = number.term.cell
    if stairs is None or len(stairs.steps) == 0:
        return []
    line = cheapest_line(stairs.first, stairs.steps)
    if line is None:
        return []
    ends = stairs.first, stairs.first + len(stairs.steps)

    def add(c: Circuit) -> int:
        product = times(c, cell, stairs.sign * line.factor)
        return c.clamp(c.round(as_cell(c, product, line.offset), line.shift, "floor"), *ends)

    return [add]


def _one_by_one(circuit: Circuit, ops: Sequence[Operation], number: Number, channel: int) -> int:
    """Each operation as it stands."""
    cell = -1
    for place, op in enumerate(ops):
        if place:
            number = Number(Term(cell))
        cell = _one(circuit, op, number, channel)
    return cell


def _one(circuit: Circuit, op: Operation, number: Number, channel: int) -> int:
    low, high = op.output.low, op.output.high
    if op.kind == "requantize":
        return requantized(circuit, op, number)
    if op.kind == "clamp":
        return circuit.clamp(number.cell(circuit), low, high)
    row = {key: value[channel] for key, value in op.constants.items()}
    if op.kind == "multiply_add_shift":
        product = times(circuit, number.cell(circuit), int(row["factor"]))
        cell = circuit.round(as_cell(circuit, product, int(row["offset"])), int(row["shift"]), "floor")
        return circuit.clamp(cell, int(row["least"]), int(row["most"]))
    first, steps = int(row["first"]), row["steps"].tolist()
    cell = number.cell(circuit)
    if row["sign"] < 0:
        cell = as_cell(circuit, Term(cell, minus=True))
    return circuit.stairs(cell, first, [(step, first + k + 1) for k, step in enumerate(steps)])


def requantized(circuit: Circuit, op: Operation, number: Number) -> int:
    """Add a requantization and return its cell."""
    s, shift = op.settings, int(op.settings["shift"])
    if shift <= 0:
        bound = max(-op.output.low, op.output.high) + 1
        if s["overflow"] == "saturate" and shift < -bound.bit_length():  # far codes need no exact shift
            number, shift = Number(Term(circuit.clamp(number.cell(circuit), -1, 1))), -bound.bit_length()
        cell = number.shifted(-shift).cell(circuit)
    else:
        cell = circuit.round(number.cell(circuit), shift, s["rounding"])
    if s["overflow"] == "wrap":
        return circuit.wrap(cell, op.output.low, int(s["width"]))
    return circuit.clamp(cell, op.output.low, op.output.high)
