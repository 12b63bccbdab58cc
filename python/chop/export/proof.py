"""Whether two runs of one model agree: bit for bit, as numbers, or how far apart they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


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
