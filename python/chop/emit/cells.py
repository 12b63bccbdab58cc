"""A circuit as a list of cells, each one whole number with an interval that holds every value it can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from chop.emit.segments import segments_of

MOST_BITS = 62  # NumPy runs cells in 64 bits


class CircuitError(ValueError):
    """What no circuit can be made of, in one sentence."""


@dataclass(frozen=True)
class Cell:
    """One number of the circuit.

    Attributes:
        kind: ``input``, ``constant``, ``sum``, ``round``, ``clamp``, ``stairs``, ``segments``, ``wrap``,
            ``larger``, ``product``.
        inputs: numbers of cells before this one.
        low, high: smallest and largest value.
        settings: whole numbers that the kind takes.
        rounding: of a ``round``.
    """

    kind: str
    inputs: tuple[int, ...]
    low: int
    high: int
    settings: tuple[int, ...] = ()
    rounding: str = ""

    @property
    def is_signed(self) -> bool:
        """Whether it has a sign bit."""
        return self.low < 0

    @property
    def width(self) -> int:
        """Bits, 1 or more, with the sign.

        >>> Cell("input", (), -8, 7).width, Cell("input", (), 0, 7).width
        (4, 3)
        """
        if self.is_signed:
            return max((-self.low - 1).bit_length(), self.high.bit_length()) + 1
        return max(1, self.high.bit_length())


def rounded(value: int, shift: int, rounding: str) -> int:
    """Return a number without its last ``shift`` bits.

    >>> [rounded(v, 1, "half_even") for v in (1, 2, 3, -1, -3)], rounded(-1, 2, "floor"), rounded(2, 2, "half_up")
    ([0, 1, 2, 0, -2], -1, 1)
    """
    q, rest, half = value >> shift, value & ((1 << shift) - 1), 1 << (shift - 1)
    if rounding == "half_even":
        return q + (rest > half or (rest == half and q & 1 == 1))
    return q + (rest >= half) if rounding == "half_up" else q


@dataclass
class Circuit:
    """Cells in an order in which they can be computed; equal ones are made once.

    Attributes:
        cells: all of them.
        inputs: the cells of the inputs in order.
        outputs: the cells of the outputs in order.
    """

    cells: list[Cell] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    _known: dict[Cell, int] = field(default_factory=dict)

    def __getitem__(self, number: int) -> Cell:
        return self.cells[number]

    def add(self, cell: Cell) -> int:
        """Add a cell, unless there is an equal one, and return its number."""
        if cell.kind not in ("input", "constant") and cell.low == cell.high:
            return self.constant(cell.low)
        if cell.width > MOST_BITS:
            raise CircuitError(f"a number of {cell.width} bits; at most {MOST_BITS}")
        if cell not in self._known:
            self._known[cell] = len(self.cells)
            self.cells.append(cell)
        return self._known[cell]

    def undo(self, count: int) -> None:
        """Forget all cells but the first ``count``."""
        for cell in self.cells[count:]:
            del self._known[cell]
        del self.cells[count:]

    def input(self, low: int, high: int) -> int:
        """Add an input."""
        number = self.add(Cell("input", (), low, high, (len(self.inputs),)))
        self.inputs.append(number)
        return number

    def constant(self, value: int) -> int:
        """A number that never changes."""
        return self.add(Cell("constant", (), value, value))

    def sum(self, x: int, x_bits: int, y: int, y_bits: int, minus: bool) -> int:
        """``(x << x_bits) + (y << y_bits)``, or minus."""
        a, b = self[x], self[y]
        low, high = b.low << y_bits, b.high << y_bits
        low, high = (-high, -low) if minus else (low, high)
        ends = (a.low << x_bits) + low, (a.high << x_bits) + high
        return self.add(Cell("sum", (x, y), *ends, (x_bits, y_bits, int(minus))))

    def round(self, x: int, shift: int, rounding: str) -> int:
        """Drop the last ``shift`` bits, 0 or more."""
        if shift == 0:
            return x
        if shift > MOST_BITS:
            if rounding != "floor":
                return self.constant(0)
            shift = MOST_BITS
        low, high = (rounded(end, shift, rounding) for end in (self[x].low, self[x].high))
        return self.add(Cell("round", (x,), low, high, (shift,), rounding))

    def clamp(self, x: int, low: int, high: int) -> int:
        """Bring into ``low`` to ``high``."""
        cell = self[x]
        if low <= cell.low and cell.high <= high:
            return x
        least, most = (min(max(end, low), high) for end in (cell.low, cell.high))
        return self.add(Cell("clamp", (x,), least, most, (low, high)))

    def stairs(self, x: int, first: int, steps: list[tuple[int, int]]) -> int:
        """``first`` below the first step, the level of the last step that ``x`` has reached from there on.

        Args:
            x: a cell. first: a level. steps: (smallest ``x``, level), rising in ``x``.
        """
        first, steps = _met(self[x], first, steps)
        levels = [first, *(level for _, level in steps)]
        settings = (first, *(n for step in steps for n in step))
        return self.add(Cell("stairs", (x,), min(levels), max(levels), settings))

    def segments(self, x: int, bits: int, first: int, steps: list[tuple[int, int]]) -> int | None:
        """:meth:`stairs` in segments of ``2**bits`` numbers; None where a segment would hold two steps."""
        first, steps = _met(self[x], first, steps)
        levels = [first, *(level for _, level in steps)]
        if not steps:
            return self.constant(first)
        if segments_of(bits, first, steps, self[x].low, self[x].high) is None:
            return None
        settings = (bits, first, *(n for step in steps for n in step))
        return self.add(Cell("segments", (x,), min(levels), max(levels), settings))

    def wrap(self, x: int, low: int, width: int) -> int:
        """The number of ``low`` to ``low + 2**width - 1`` with the same last ``width`` bits."""
        high = low + (1 << width) - 1
        if low <= self[x].low and self[x].high <= high:
            return x
        return self.add(Cell("wrap", (x,), low, high, (low, width)))

    def larger(self, x: int, y: int) -> int:
        """The larger of two."""
        a, b = self[x], self[y]
        if a.low >= b.high:
            return x
        if b.low >= a.high:
            return y
        return self.add(Cell("larger", (min(x, y), max(x, y)), max(a.low, b.low), max(a.high, b.high)))

    def product(self, x: int, y: int) -> int:
        """The product of two."""
        a, b = self[x], self[y]
        ends = [p * q for p in (a.low, a.high) for q in (b.low, b.high)]
        return self.add(Cell("product", (min(x, y), max(x, y)), min(ends), max(ends)))

    def needed(self) -> list[int]:
        """Return the cells that an output is made of, in order."""
        wanted = set(self.outputs)
        for number in range(len(self.cells) - 1, -1, -1):
            if number in wanted:
                wanted.update(self[number].inputs)
        return [number for number in range(len(self.cells)) if number in wanted]


def _met(cell: Cell, first: int, steps: list[tuple[int, int]]) -> tuple[int, list[tuple[int, int]]]:
    """A staircase without the steps that no value of the cell passes."""
    reached = [level for number, level in steps if number <= cell.low]
    rest = [step for step in steps if cell.low < step[0] <= cell.high]
    return (reached[-1] if reached else first), rest


def run(circuit: Circuit, x: np.ndarray) -> np.ndarray:
    """Return the outputs of a circuit, int64, shape [rows, outputs], in NumPy.

    Args:
        circuit: any. x: inputs, whole numbers, shape [rows, inputs].

    Raises:
        ArithmeticError: a number left its interval.

    >>> c = Circuit()
    >>> a, b = c.input(0, 7), c.input(0, 7)
    >>> c.outputs.append(c.clamp(c.sum(a, 0, b, 1, True), -4, 4))
    >>> run(c, np.array([[7, 0], [1, 2], [1, 7]])).tolist()
    [[4], [-3], [-4]]
    """
    values: dict[int, np.ndarray] = {}
    for number in circuit.needed():
        cell = circuit[number]
        if cell.kind == "input":
            made = x[:, cell.settings[0]].astype(np.int64)
        else:
            made = RUNS[cell.kind](cell, *(values[i] for i in cell.inputs))
        if made.size and (made.min() < cell.low or made.max() > cell.high):
            raise ArithmeticError(
                f"cell {number}, {cell.kind}: {made.min()}..{made.max()} leaves {cell.low}..{cell.high}"
            )
        values[number] = made
    columns = [np.broadcast_to(values[number], (len(x),)) for number in circuit.outputs]
    return np.stack(columns, 1) if columns else np.zeros((len(x), 0), np.int64)


def _sum(cell: Cell, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x_bits, y_bits, minus = cell.settings
    left, right = a << x_bits, b << y_bits
    return left - right if minus else left + right


def _round(cell: Cell, v: np.ndarray) -> np.ndarray:
    shift = cell.settings[0]
    q, rest, half = v >> shift, v & ((1 << shift) - 1), 1 << (shift - 1)
    if cell.rounding == "half_even":
        return np.asarray(q + ((rest > half) | ((rest == half) & (q & 1 == 1))))
    return np.asarray(q + (rest >= half)) if cell.rounding == "half_up" else q


def _stairs(cell: Cell, v: np.ndarray) -> np.ndarray:
    first, *steps = cell.settings if cell.kind == "stairs" else cell.settings[1:]
    levels = np.array([first, *steps[1::2]], np.int64)
    return np.asarray(levels[np.searchsorted(np.array(steps[::2], np.int64), v, side="right")])


RUNS: dict[str, Callable[..., np.ndarray]] = {
    "constant": lambda cell: np.full(1, cell.low, np.int64),
    "sum": _sum,
    "round": _round,
    "clamp": lambda cell, v: np.clip(v, *cell.settings),
    "stairs": _stairs,
    "segments": _stairs,
    "wrap": lambda cell, v: ((v - cell.settings[0]) & ((1 << cell.settings[1]) - 1)) + cell.settings[0],
    "larger": lambda cell, a, b: np.maximum(a, b),
    "product": lambda cell, a, b: a * b,
}
