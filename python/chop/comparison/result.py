"""What a comparison found: a row for each pair of nodes, and the first that differs in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chop.comparison.difference import Place, Tolerance
from chop.tools.text_tables import html_table, number, text_table

_HEADERS = ("node", "operation", "max |a - b|", "differing", "SQNR [dB]")


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """How far the results of two nodes that stand for each other lie apart.

    Attributes:
        node_a, node_b: their names; with ``[1]`` and the like for one of several results.
        operation: e.g. ``"linear"``, or two of them where the nodes do different things.
        target_a, target_b: what they call.
        shape_a, shape_b: of the results for all rows; ``dtype_a``, ``dtype_b`` likewise.
        elements, differing: how many, and how many of them differ beyond the tolerance.
        max_abs: largest ``|a - b|``, within the tolerance too; infinite where the shapes differ, or
            where one is NaN or infinite and the other is not.
        max_ulps: the same in floats that lie between the two; infinite likewise. None where nothing differs
            or the dtypes are not one float dtype.
        grid_step: step of the grid that a quantized node's exact results lie on (of the second graph's node,
            else of the first's); None for float nodes.
        largest, first: the elements with the largest difference and the first one that differs.
        sqnr_db: power of a over power of ``a - b`` in decibels, sums in float64; infinite where all is equal.
    """

    node_a: str
    node_b: str
    operation: str
    target_a: str
    target_b: str
    shape_a: tuple[int, ...]
    shape_b: tuple[int, ...]
    dtype_a: str
    dtype_b: str
    elements: int
    differing: int
    max_abs: float
    max_ulps: float | None
    grid_step: float | None
    largest: Place | None
    first: Place | None
    sqnr_db: float

    @property
    def share(self) -> float:
        """Differing elements over all elements, 0..1."""
        return self.differing / self.elements if self.elements else 0.0

    @property
    def max_steps(self) -> float | None:
        """``max_abs`` in steps of the output's grid; None for float nodes."""
        return None if self.grid_step is None else self.max_abs / self.grid_step

    @property
    def name(self) -> str:
        """The node's name, or both."""
        return self.node_a if self.node_a == self.node_b else f"{self.node_a} / {self.node_b}"

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.operation}, {_pair(self.target_a, self.target_b)}"]
        shapes = _pair(str(list(self.shape_a)), str(list(self.shape_b)))
        lines.append(f"  result {shapes} {_pair(self.dtype_a, self.dtype_b)}")
        lines.append(f"  {self.differing} of {self.elements} elements differ ({100.0 * self.share:.3g} %)")
        distance = f"  largest difference {number(self.max_abs)}"
        if self.max_ulps is not None:
            distance += f", {number(self.max_ulps)} ulp"
        if self.max_steps is not None and self.grid_step is not None:
            distance += f", {number(self.max_steps)} steps of {number(self.grid_step)}"
        lines.append(distance + (f", at {self.largest}" if self.largest else ""))
        if self.first:
            lines.append(f"  first difference at {self.first}")
        return "\n".join(lines)

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        differing = f"{100.0 * self.share:.3g} %"
        return self.name, self.operation, number(self.max_abs, 4), differing, number(self.sqnr_db, 4)


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """What :func:`chop.compare` found.

    Attributes:
        rows: one for each pair of matched nodes, in the order of the first graph.
        only_in_a, only_in_b: names of the nodes without a partner, in order.
        data_rows: rows of ``x``.
        tolerance: what counted as equal.
    """

    rows: tuple[NodeDifference, ...]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    data_rows: int
    tolerance: Tolerance

    @property
    def first(self) -> NodeDifference | None:
        """The first node, in the order of the first graph, of whose elements one differs; None if none does."""
        return next((row for row in self.rows if row.differing), None)

    @property
    def equal(self) -> bool:
        """True if no matched node differs."""
        return self.first is None

    def __iter__(self) -> Iterator[NodeDifference]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> NodeDifference:
        for row in self.rows:
            if name in (row.node_a, row.node_b):
                return row
        known = ", ".join(row.name for row in self.rows)
        raise KeyError(f"this comparison has no node {name!r}; it has: {known}")

    def __repr__(self) -> str:
        table = text_table(_HEADERS, [row.cells() for row in self.rows]) if self.rows else ""
        return "\n".join(part for part in (self._words(), table) if part)

    def _repr_html_(self) -> str:
        return html_table(_HEADERS, [row.cells() for row in self.rows], self._words())

    def _words(self) -> str:
        tried = f"{len(self.rows)} matched nodes on {self.data_rows} rows"
        first = self.first
        lines = [f"First difference of {tried}:\n{first}" if first else f"No difference: {tried}"]
        for which, names in (("first", self.only_in_a), ("second", self.only_in_b)):
            if names:
                lines.append(f"Only in the {which} graph: {', '.join(names)}")
        return "\n".join(lines)


def _pair(a: str, b: str) -> str:
    return a if a == b else f"{a} / {b}"
