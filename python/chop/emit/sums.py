"""The sums of a layer, ``W x``, as adders: one file a way to find them, by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from chop.emit.cells import Circuit
from chop.emit.terms import Term, add_all, signed_digits
from chop.registry import Registry


class Sums(ABC):
    """A way to find adders.

    Attributes:
        name: as users type it.
        packages: what must be installed.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def add(self, circuit: Circuit, weight: np.ndarray, x: Sequence[int]) -> list[Term | None]:
        """Add the cells of ``weight @ x`` and return one term a row; None for zero.

        Args:
            circuit: gets the cells.
            weight: int64, shape [rows, columns].
            x: cells, one a column.
        """


SUMS: Registry[Sums] = Registry("way to add")


def register(way: type[Sums]) -> type[Sums]:
    """Class decorator: add a way under its name."""
    SUMS[way.name] = way()
    return way


@register
class Plain(Sums):
    """Every product by the signed digits of its weight, every row by itself."""

    name = "plain"

    def add(self, circuit: Circuit, weight: np.ndarray, x: Sequence[int]) -> list[Term | None]:
        """Add ``weight @ x``; see :meth:`Sums.add`."""
        found = []
        for row in weight.tolist():
            digits = (
                Term(cell, place, minus)
                for cell, w in zip(x, row, strict=True)
                for place, minus in signed_digits(w)
            )
            found.append(add_all(circuit, list(digits)))
        return found
