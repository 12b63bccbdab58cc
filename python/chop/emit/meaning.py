"""What circuits compute, in a form that is the same for all that compute it the same way: sums and staircases of sums.

Every cell is a function of one weighted sum of inputs, or of earlier such functions, written out at every value that
the sum can have. Two circuits whose outputs have equal forms are equal at every input: nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from chop.emit.cells import RUNS, Cell, Circuit, CircuitError

MOST_VALUES = 1 << 22

Root = tuple[tuple[int, int], ...]  # (atom, coefficient) of a sum; the first positive, their divisor 1


@dataclass(frozen=True)
class Form:
    """``factor * sum + offset``, or ``table[sum - least]`` where that is no line.

    Attributes:
        root: the sum; empty for a constant. factor, offset: of a line. table: bytes of int64 numbers, else empty.
    """

    root: Root
    factor: int
    offset: int
    table: bytes = b""


class Meanings:
    """Forms of the cells of circuits with the same inputs.

    >>> a, b, meanings = Circuit(), Circuit(), Meanings()
    >>> x, y = a.input(0, 7), a.input(0, 7)
    >>> a.outputs.append(a.clamp(a.sum(x, 1, y, 1, False), 0, 9))
    >>> x, y = b.input(0, 7), b.input(0, 7)
    >>> b.outputs.append(b.stairs(b.sum(y, 0, x, 0, False), 0, [(1, 2), (2, 4), (3, 6), (4, 8), (5, 9)]))
    >>> meanings.of(a) == meanings.of(b)
    True
    """

    def __init__(self) -> None:
        self._atoms: dict[object, int] = {}
        self._ends: list[tuple[int, int]] = []

    def of(self, circuit: Circuit) -> list[Form]:
        """Return the forms of the outputs.

        Raises:
            CircuitError: a sum has more than 4 million values.
        """
        forms: dict[int, Form] = {}
        for number in circuit.needed():
            cell = circuit[number]
            forms[number] = self._form(cell, [forms[i] for i in cell.inputs])
        return [forms[number] for number in circuit.outputs]

    def _form(self, cell: Cell, inputs: Sequence[Form]) -> Form:
        if cell.kind == "constant":
            return Form((), 0, cell.low)
        if cell.kind == "input":
            return self._atom(("input", cell.settings[0]), cell.low, cell.high)
        if len({form.root for form in inputs if form.root}) <= 1:
            root = next((form.root for form in inputs if form.root), ())
            if cell.kind == "sum" and not any(form.table for form in inputs):
                return self._sum(cell, inputs)
            return self._line_or_table(root, RUNS[cell.kind](cell, *(self._values(f, root) for f in inputs)))
        inputs = [self._as_line(form) for form in inputs]
        if cell.kind == "sum":
            return self._sum(cell, inputs)
        key = cell.kind, cell.settings, tuple(sorted(inputs, key=repr))
        return self._atom(key, cell.low, cell.high)

    def _atom(self, key: object, low: int, high: int) -> Form:
        if key not in self._atoms:
            self._atoms[key] = len(self._ends)
            self._ends.append((low, high))
        return Form(((self._atoms[key], 1),), 1, 0)

    def _as_line(self, form: Form) -> Form:
        """A line itself; a table as a number of its own."""
        if not form.table:
            return form
        values = np.frombuffer(form.table, np.int64)
        return self._atom((form.root, form.table), int(values.min()), int(values.max()))

    def _sum(self, cell: Cell, lines: Sequence[Form]) -> Form:
        x_bits, y_bits, minus = cell.settings
        weights = (1 << x_bits, (-1 if minus else 1) << y_bits)
        found: dict[int, int] = {}
        for line, weight in zip(lines, weights, strict=True):
            for atom, coefficient in line.root:
                found[atom] = found.get(atom, 0) + coefficient * line.factor * weight
        offset = sum(line.offset * weight for line, weight in zip(lines, weights, strict=True))
        kept = sorted((atom, c) for atom, c in found.items() if c)
        if not kept:
            return Form((), 0, offset)
        factor = gcd(*(c for _, c in kept)) * (1 if kept[0][1] > 0 else -1)
        return Form(tuple((atom, c // factor) for atom, c in kept), factor, offset)

    def _range(self, root: Root) -> tuple[int, int]:
        ends = [sorted((c * self._ends[atom][0], c * self._ends[atom][1])) for atom, c in root]
        return sum(low for low, _ in ends), sum(high for _, high in ends)

    def _values(self, form: Form, root: Root) -> np.ndarray:
        low, high = self._range(root)
        if high - low >= MOST_VALUES:
            raise CircuitError(f"a sum of {high - low + 1:,} values; at most {MOST_VALUES:,} are looked at")
        if form.table:
            return np.frombuffer(form.table, np.int64)
        factor = form.factor if form.root else 0
        return factor * np.arange(low, high + 1, dtype=np.int64) + form.offset

    def _line_or_table(self, root: Root, values: np.ndarray) -> Form:
        low, _ = self._range(root)
        steps = np.unique(np.diff(values))
        if len(values) == 1 or (len(steps) == 1 and steps[0] == 0):
            return Form((), 0, int(values[0]))
        if len(steps) == 1:
            return Form(root, int(steps[0]), int(values[0]) - int(steps[0]) * low)
        return Form(root, 0, 0, np.ascontiguousarray(values, np.int64).tobytes())
