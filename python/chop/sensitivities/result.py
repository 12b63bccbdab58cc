"""What single changes of a config do to accuracy and loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chop.nn.quantizers import IntegerFormat, NumberFormat
from chop.tools.text_tables import html_table, number, text_table

if TYPE_CHECKING:
    import pandas as pd

    from chop.evaluator import Metrics

WHOLE_LAYER = "all"

_METRICS = ("accuracy", "Δ accuracy", "loss", "Δ loss")
_HEADERS = ("node", "operand", "format", *_METRICS)
_PAIR_HEADERS = ("nodes", "format", *_METRICS, "interaction")


@dataclass(frozen=True, slots=True)
class SensitivityRow:
    """One change and what it does.

    Attributes:
        nodes: what was changed; several nodes where they call one module.
        operand: ``data_in``, ``weight`` or ``bias``; ``all`` for a whole layer.
        formats: operand -> its new format.
        metrics: accuracy, accuracy_micro and loss with the change.
        base: the same without it.
    """

    nodes: tuple[str, ...]
    operand: str
    formats: Mapping[str, IntegerFormat | NumberFormat]
    metrics: Metrics
    base: Metrics

    @property
    def node(self) -> str:
        """The first of the nodes."""
        return self.nodes[0]

    @property
    def format(self) -> IntegerFormat | NumberFormat:
        """The new format; of a whole layer, that of its first operand."""
        return next(iter(self.formats.values()))

    @property
    def accuracy(self) -> float:
        """Macro accuracy with the change, 0..1."""
        return self.metrics.accuracy

    @property
    def accuracy_micro(self) -> float:
        """Right rows over all rows with the change, 0..1."""
        return self.metrics.accuracy_micro

    @property
    def loss(self) -> float | None:
        """Loss with the change, in nats; None if it was not asked for."""
        return self.metrics.loss

    @property
    def delta_accuracy(self) -> float:
        """Accuracy with the change less accuracy without."""
        return self.metrics.accuracy - self.base.accuracy

    @property
    def delta_accuracy_micro(self) -> float:
        """The same of accuracy_micro."""
        return self.metrics.accuracy_micro - self.base.accuracy_micro

    @property
    def delta_loss(self) -> float | None:
        """Loss with the change less loss without."""
        if self.metrics.loss is None or self.base.loss is None:
            return None
        return self.metrics.loss - self.base.loss

    @property
    def harm(self) -> float:
        """What rows are ranked by: growth of the loss, else of the error rate; NaN is the worst."""
        found = -self.delta_accuracy if self.delta_loss is None else self.delta_loss
        return math.inf if math.isnan(found) else found

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        return ", ".join(self.nodes), self.operand, _formats_text(self.formats), *_figures(self)

    def record(self) -> dict[str, Any]:
        """The row of the data frame."""
        return {
            "node": ", ".join(self.nodes),
            "operand": self.operand,
            "format": _formats_text(self.formats),
            "width": self.format.width,
            "frac_width": getattr(self.format, "frac_width", None),
            "is_signed": getattr(self.format, "is_signed", True),
            "accuracy": self.accuracy,
            "accuracy_micro": self.accuracy_micro,
            "loss": self.loss,
            "delta_accuracy": self.delta_accuracy,
            "delta_accuracy_micro": self.delta_accuracy_micro,
            "delta_loss": self.delta_loss,
        }


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two layers changed together.

    Attributes:
        first, second: the rows of the two layers changed alone.
        both: the row of both together; its nodes are those of both.
    """

    first: SensitivityRow
    second: SensitivityRow
    both: SensitivityRow

    @property
    def interaction(self) -> float:
        """Growth of the loss (else of the error rate) beyond the sum of the two alone."""
        return self.both.harm - self.first.harm - self.second.harm

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        formats = " & ".join(dict.fromkeys(_formats_text(row.formats) for row in (self.first, self.second)))
        return (
            f"{self.first.node}, {self.second.node}",
            formats,
            *_figures(self.both),
            number(self.interaction, 4),
        )

    def record(self) -> dict[str, Any]:
        """The row of the data frame."""
        alone = {"node": self.first.node, "other_node": self.second.node}
        formats = {
            "format": _formats_text(self.first.formats),
            "other_format": _formats_text(self.second.formats),
        }
        kept = ("accuracy", "accuracy_micro", "loss", "delta_accuracy", "delta_accuracy_micro", "delta_loss")
        found = self.both.record()
        return {**alone, **formats, **{key: found[key] for key in kept}, "interaction": self.interaction}


@dataclass(frozen=True, slots=True, repr=False)
class Sensitivity:
    """What :func:`chop.sensitivity` found.

    Attributes:
        base: accuracy and loss without any change.
        rows: one for each (layer, operand, format), in graph order.
        layers: one for each (layer, format) with all its operands changed; empty unless pairs were asked for.
        pairs: one for each pair of layers and format.
    """

    base: Metrics
    rows: tuple[SensitivityRow, ...]
    layers: tuple[SensitivityRow, ...] = ()
    pairs: tuple[PairRow, ...] = ()

    def ranking(self) -> tuple[SensitivityRow, ...]:
        """Return the rows, the most harmful change first: by loss, or by accuracy where there is no loss."""
        return tuple(sorted(self.rows, key=lambda row: -row.harm))

    def most_sensitive(self) -> SensitivityRow:
        """Return the most harmful single change."""
        return self.ranking()[0]

    def to_frame(self) -> pd.DataFrame:
        """Return ``rows`` and ``layers`` as a pandas table."""
        return _frame([row.record() for row in (*self.rows, *self.layers)])

    def pairs_to_frame(self) -> pd.DataFrame:
        """Return ``pairs`` as a pandas table."""
        return _frame([row.record() for row in self.pairs])

    def __repr__(self) -> str:
        return "\n\n".join(
            [
                self._words(),
                *(text_table(headers, [row.cells() for row in rows]) for headers, rows in self._tables()),
            ]
        )

    def _repr_html_(self) -> str:
        tables = [html_table(headers, [row.cells() for row in rows]) for headers, rows in self._tables()]
        return html_table((), (), self._words()).partition("<table>")[0] + "".join(tables)

    def _words(self) -> str:
        loss = "" if self.base.loss is None else f", loss {number(self.base.loss)}"
        return f"base: accuracy {number(self.base.accuracy)}{loss}, {self.base.rows} rows"

    def _tables(self) -> list[tuple[tuple[str, ...], Sequence[SensitivityRow | PairRow]]]:
        tables: list[tuple[tuple[str, ...], Sequence[SensitivityRow | PairRow]]] = [
            (_HEADERS, (*self.rows, *self.layers))
        ]
        return [*tables, (_PAIR_HEADERS, self.pairs)] if self.pairs else tables


def _figures(row: SensitivityRow) -> tuple[str, ...]:
    figures = (row.accuracy, row.delta_accuracy, row.loss, row.delta_loss)
    return tuple(number(figure, 5) for figure in figures)


def _formats_text(formats: Mapping[str, IntegerFormat | NumberFormat]) -> str:
    texts = {operand: _format_text(format) for operand, format in formats.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{operand} {text}" for operand, text in texts.items())


def _format_text(format: IntegerFormat | NumberFormat) -> str:
    """``8.4``: width and fraction width; ``u8.4`` without sign; other modes than MASE's are named."""
    if isinstance(format, NumberFormat):
        return str(format)
    modes = (getattr(format, "rounding", "half_even"), getattr(format, "overflow", "saturate"))
    named = "".join(f" {mode}" for mode in modes if mode not in ("half_even", "saturate"))
    return f"{'' if format.is_signed else 'u'}{format.width}.{format.frac_width}{named}"


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(records)
