"""Sums of shifted, signed numbers, and the shortest way to say a product with a constant: signed digits."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from chop.emit.cells import Circuit


@dataclass(frozen=True)
class Term:
    """``-(cell << bits)`` or ``cell << bits``; ``bits`` may be negative where a sum is put together from parts."""

    cell: int
    bits: int = 0
    minus: bool = False

    def shifted(self, bits: int) -> Term:
        """The same times a power of two."""
        return Term(self.cell, self.bits + bits, self.minus)

    def times(self, minus: bool) -> Term:
        """The same, negative if ``minus``."""
        return Term(self.cell, self.bits, self.minus != minus)


def signed_digits(value: int) -> list[tuple[int, bool]]:
    """Return (place, minus) of the digits -1 and 1 of a number, fewest possible (canonical signed digits).

    >>> signed_digits(7), signed_digits(-3), signed_digits(0)
    ([(0, True), (3, False)], [(0, False), (2, True)], [])
    """
    found, place = [], 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            found.append((place, digit < 0))
            value -= digit
        value >>= 1
        place += 1
    return found


def add_terms(circuit: Circuit, a: Term, b: Term) -> Term:
    """Return the sum of two terms as one."""
    if a.minus and not b.minus:
        a, b = b, a
    bits = min(a.bits, b.bits)
    cell = circuit.sum(a.cell, a.bits - bits, b.cell, b.bits - bits, a.minus != b.minus)
    return Term(cell, bits, a.minus)


def add_all(circuit: Circuit, terms: Sequence[Term]) -> Term | None:
    """Return the sum of terms, in a tree that adds the narrowest numbers first; None of none."""
    heap = [(_place(circuit, term), i, term) for i, term in enumerate(terms)]
    heapq.heapify(heap)
    count = len(heap)
    while len(heap) > 1:
        made = add_terms(circuit, heapq.heappop(heap)[2], heapq.heappop(heap)[2])
        heapq.heappush(heap, (_place(circuit, made), count, made))
        count += 1
    return heap[0][2] if heap else None


def _place(circuit: Circuit, term: Term) -> int:
    return circuit[term.cell].width + term.bits


def as_cell(circuit: Circuit, term: Term | None, offset: int = 0) -> int:
    """Return ``term + offset`` as a cell; ``bits`` of the term must not be negative."""
    if term is None:
        return circuit.constant(offset)
    if offset == 0 and term.bits == 0 and not term.minus:
        return term.cell
    fixed = circuit.constant(offset)
    if term.minus:
        return circuit.sum(fixed, 0, term.cell, term.bits, True)
    return circuit.sum(term.cell, term.bits, fixed, 0, False)


def times(circuit: Circuit, cell: int, factor: int) -> Term | None:
    """Return a cell times a constant; None for zero."""
    return add_all(circuit, [Term(cell, place, minus) for place, minus in signed_digits(factor)])
