"""Whether two runs of one model agree: bit for bit, as numbers, or how far apart they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

AT_ONCE = 1 << 18  # numbers that an executor gets in one call; some keep every value of the graph in memory


def rows_at_once(x: np.ndarray, numbers: int = AT_ONCE) -> int:
    """Return how many rows have so many numbers, one at least."""
    return max(1, numbers // max(1, x[:1].size))


def in_blocks(run: Callable[[np.ndarray], np.ndarray], x: np.ndarray, at_once: int = AT_ONCE) -> np.ndarray:
    """Return the outputs of all rows, from calls with a limited number of them.

    Args:
        run: rows, float32, shape [n, ...] -> outputs, shape [n, ...].
        x: all rows.
        at_once: numbers in the rows of a call, at most (but one row at least).

    >>> in_blocks(lambda rows: rows + len(rows), np.zeros((5, 2), "f4"), at_once=4)[:, 0]
    array([2., 2., 2., 2., 1.], dtype=float32)
    """
    block = rows_at_once(x, at_once)
    return np.concatenate([run(x[i : i + block]) for i in range(0, max(1, len(x)), block)])


@dataclass(frozen=True)
class Proof:
    """The outputs of one executor beside those of the evaluator.

    Attributes:
        executor: what ran the written file.
        rows: compared.
        equal: rows with the same bits.
        sign_of_zero: rows that are equal as numbers and differ in the sign of a zero only.
        largest_difference: over all outputs; NaN on one side only counts as infinite.
        changed_argmax: rows whose first largest output is another one.

    >>> Proof.of("x", np.array([[1, 0.0], [2, 3]], "f4"), np.array([[1, -0.0], [2, 3]], "f4"))
    Proof(executor='x', rows=2, equal=1, sign_of_zero=1, largest_difference=0.0, changed_argmax=0)
    """

    executor: str
    rows: int
    equal: int
    sign_of_zero: int
    largest_difference: float
    changed_argmax: int

    @classmethod
    def of(cls, executor: str, wanted: np.ndarray, found: np.ndarray) -> Proof:
        """Compare outputs, float32, shape [rows, ...].

        Raises:
            ValueError: the shapes differ.
        """
        if found.shape != wanted.shape:
            raise ValueError(f"{executor} gives the shape {list(found.shape)}, not {list(wanted.shape)}")
        rows = len(wanted)
        a, b = wanted.reshape(rows, -1), found.astype(np.float32, copy=False).reshape(rows, -1)
        both_nan = np.isnan(a) & np.isnan(b)
        bits = ((a.view(np.uint32) == b.view(np.uint32)) | both_nan).all(1)
        numbers = ((a == b) | both_nan).all(1)
        with np.errstate(invalid="ignore"):
            apart = np.where((a == b) | both_nan, 0, np.abs(a.astype(np.float64) - b))
        apart = np.where(np.isnan(apart), np.inf, apart)
        return cls(
            executor,
            rows,
            int(bits.sum()),
            int((numbers & ~bits).sum()),
            float(apart.max(initial=0.0)),
            int((a.argmax(1) != b.argmax(1)).sum()) if a.shape[1] else 0,
        )

    def holds(self, as_numbers: bool) -> bool:
        """Whether every row is equal; a sign of zero counts unless ``as_numbers``."""
        return self.equal + (self.sign_of_zero if as_numbers else 0) == self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, as ``export.json`` holds them."""
        return asdict(self)

    def __str__(self) -> str:
        text = f"{self.executor}: {self.equal:,} of {self.rows:,} rows equal bit for bit"
        if self.sign_of_zero:
            text += f", {self.sign_of_zero:,} more but for the sign of zero"
        if self.equal + self.sign_of_zero < self.rows:
            text += f"; largest difference {self.largest_difference:.3g}, {self.changed_argmax:,} rows change argmax"
        return text
