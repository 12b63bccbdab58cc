"""The printed form of cost figures: one column a model, one row a node, then what each number means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


def tidy(value: float) -> float:
    """Return a whole number as an int.

    >>> tidy(640.0), tidy(0.5)
    (640, 0.5)
    """
    return int(value) if float(value).is_integer() else value


@dataclass(frozen=True, slots=True)
class CostRow:
    """The figure of one cost model.

    Attributes:
        name: of the model.
        unit: of the figures.
        definition: what is counted, in words.
        total: of the whole graph.
        nodes: node name -> its part; None where the model says nothing of the node.
        left_out: nodes that should count but whose part is not known; ``total`` is without them.
    """

    name: str
    unit: str
    definition: str
    total: float
    nodes: Mapping[str, float | None]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CostReport:
    """Figures of several cost models for one graph; ``report["flops"]`` gives one of them.

    Attributes:
        batch: rows.
        rows: one for each cost model.
        inputs: shapes and dtypes of the inputs, and where they come from, in words; empty where no model asks.
        left_out: node -> why its part is not known. The totals of the rows that name it are without it.
    """

    batch: int
    rows: tuple[CostRow, ...]
    inputs: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> CostRow:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"this report has no {name!r}; it has: {', '.join(row.name for row in self.rows)}")

    def __iter__(self) -> Iterator[CostRow]:
        return iter(self.rows)

    def totals(self) -> dict[str, float]:
        """Model name -> total."""
        return {row.name: row.total for row in self.rows}

    def __str__(self) -> str:
        from tabulate import tabulate

        nodes = list(self.rows[0].nodes) if self.rows else []
        body = [[node, *(_cell(row.nodes[node]) for row in self.rows)] for node in nodes]
        body.append(["total", *(_cell(row.total) for row in self.rows)])
        headers = ["node", *(f"{row.name} [{row.unit}]" for row in self.rows)]
        table = tabulate(body, headers=headers, tablefmt="orgtbl", stralign="right")
        meanings = "\n".join(f"{row.name} [{row.unit}]: {row.definition}" for row in self.rows)
        inputs = f", inputs: {self.inputs}" if self.inputs else ""
        return f"{table}\nbatch {self.batch}{inputs}\n{self._left_out_text()}{meanings}"

    def _left_out_text(self) -> str:
        """One line a node that is not counted, with the figures that lack it."""
        lines = []
        for node, reason in self.left_out.items():
            lacking = [row.name for row in self.rows if node in row.left_out]
            if lacking:
                lines.append(f"left out of {', '.join(lacking)}: {node} ({reason})\n")
        return "".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
