"""What metrics found, as a value that can be read, compared and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from torch import Tensor

from chop.metrics.metric import METRICS
from chop.registry import UnknownNameError, did_you_mean

MOST_CELLS = 400  # of a matrix that is shown as a table


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Metrics:
    """What one evaluation found.

    Attributes:
        rows: how many rows were evaluated.
        values: what was asked for: key -> float or tensor. A key is the metric's name, with the options that were given
            in parentheses.
        right: of labelled rows (accuracy, accuracy_micro), else None.
    """

    rows: int
    values: Mapping[str, float | Tensor]
    right: tuple[float, float] | None = None

    @property
    def accuracy(self) -> float:
        """Mean recall over the classes that occur as label or prediction, 0..1 (torchmetrics' macro average, which MASE
        reports). Raises ``ValueError`` without labels."""
        return self._labelled("accuracy")[0]

    @property
    def accuracy_micro(self) -> float:
        """Right rows over all rows, 0..1. Raises ``ValueError`` without labels."""
        return self._labelled("accuracy_micro")[1]

    @property
    def correct(self) -> int:
        """How many rows were right. Raises ``ValueError`` without labels."""
        return round(self._labelled("correct")[1] * self.rows)

    @property
    def loss(self) -> float | None:
        """Cross-entropy in nats, mean over rows, added up in float64; None if ``loss`` was not asked for."""
        found = self.values.get("loss")
        return None if found is None else float(found)

    def _labelled(self, name: str) -> tuple[float, float]:
        if self.right is None:
            raise ValueError(f"{name} needs labels, and the evaluated rows have none")
        return self.right

    def __getitem__(self, key: str) -> float | Tensor:
        """Return a value by its key, or by its name where only one metric of that name was asked for.

        Raises:
            UnknownNameError: (a KeyError and a ValueError) there is none, or more than one.
        """
        if key in self.values:
            return self.values[key]
        named = [known for known in self.values if known.split("(")[0] == key]
        if len(named) == 1:
            return self.values[named[0]]
        known = ", ".join(self.values) or "none"
        raise UnknownNameError(
            f"no metric {key!r} in this result{did_you_mean(key, self.values)}; it has: {known}"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Metrics):
            return NotImplemented
        return (
            self.rows == other.rows
            and self.right == other.right
            and list(self.values) == list(other.values)
            and all(_same(value, other.values[key]) for key, value in self.values.items())
        )

    def __hash__(self) -> int:
        return hash((self.rows, self.right, tuple(self.values)))

    def __repr__(self) -> str:
        shown = [f"rows={self.rows}", *(f"{key}={_short(value)}" for key, value in self.values.items())]
        return f"Metrics({', '.join(shown)})"

    def _repr_html_(self) -> str:
        """The table that a notebook shows: values with unit, direction and, on the name, the definition."""
        body = "".join(_html_row(key, value) for key, value in self.values.items())
        head = "<tr><th>metric</th><th>value</th><th>unit</th><th>better</th></tr>"
        return f"<table><caption>{self.rows} rows</caption><thead>{head}</thead><tbody>{body}</tbody></table>"


def _same(a: float | Tensor, b: float | Tensor) -> bool:
    """Equal, where NaN equals NaN: a result that repeats is the same result."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape
        return same and bool(((a == b) | ((a != a) & (b != b))).all())
    return not isinstance(a, Tensor) and not isinstance(b, Tensor) and (a == b or (a != a and b != b))


def _short(value: float | Tensor) -> str:
    if not isinstance(value, Tensor):
        return f"{value:.6g}"
    if value.dim() == 1 and value.numel() <= 8:
        return f"[{', '.join(f'{number:.4g}' for number in value.tolist())}]"
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"


def _html_row(key: str, value: float | Tensor) -> str:
    metric = METRICS.get(key.split("(")[0])
    definition = escape(metric.definition(), quote=True) if metric else ""
    better = {"maximize": "larger", "minimize": "smaller"}.get(metric.direction or "", "") if metric else ""
    unit = escape(metric.unit) if metric else ""
    name = f'<td title="{definition}">{escape(key)}</td>'
    return f"<tr>{name}<td>{_html_value(value)}</td><td>{unit}</td><td>{better}</td></tr>"


def _html_value(value: float | Tensor) -> str:
    if not isinstance(value, Tensor) or value.dim() not in (1, 2) or value.numel() > MOST_CELLS:
        return escape(_short(value))
    rows = value.reshape(-1, value.shape[-1]).tolist()
    cells = ("".join(f"<td>{number:.6g}</td>" for number in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"
