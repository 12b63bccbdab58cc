"""The best formats of a model's tensors: a mapping, a table, and a quantize config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chop.nn.quantizers import OPERANDS, IntegerFormat, NumberFormat
from chop.tools.errors import ConfigError
from chop.tools.text_tables import html_table, number, text_table

if TYPE_CHECKING:
    import pandas as pd

_HEADERS = ("node", "operand", "width", "frac_width", "signed", "MSE", "SQNR [dB]")
_NUMBER_HEADERS = ("node", "operand", "format", "MSE", "SQNR [dB]")


@dataclass(frozen=True, slots=True)
class FormatChoice:
    """The best format of one tensor.

    Attributes:
        nodes: the nodes that it is for; several where they call one module.
        mase_op: their operation.
        operand: ``data_in``, ``weight`` or ``bias``.
        format: of the given width, with the parameters that have the least error.
        mse: mean squared error over the finite numbers; of a ReLU's input, of what the ReLU passes on.
        sqnr_db: power of the numbers over that of the errors, in decibels; infinite where nothing is lost.
        elements: how many numbers the tensor has, over all rows of the data for an input.
        not_finite: how many of them are NaN or infinite; they count for nothing.
        errors: fraction width, or format, -> mean squared error, for all that were tried.
        entries: of a format other than fixed point: the fields of a config that say it.
    """

    nodes: tuple[str, ...]
    mase_op: str
    operand: str
    format: IntegerFormat | NumberFormat
    mse: float
    sqnr_db: float
    elements: int
    not_finite: int
    errors: Mapping[Any, float]
    entries: Mapping[str, Any] = field(default_factory=dict)

    @property
    def node(self) -> str:
        """The first of the nodes."""
        return self.nodes[0]

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        f = self.format
        if isinstance(f, NumberFormat):
            return ", ".join(self.nodes), self.operand, str(f), number(self.mse, 4), number(self.sqnr_db, 4)
        numbers = (str(f.width), str(f.frac_width), str(f.is_signed), number(self.mse, 4))
        return ", ".join(self.nodes), self.operand, *numbers, number(self.sqnr_db, 4)


@dataclass(frozen=True, slots=True, repr=False)
class BestFormats(Mapping[str, Mapping[str, IntegerFormat | NumberFormat]]):
    """``node -> operand -> format``, as :func:`chop.best_formats` found it.

    Attributes:
        rows: one :class:`FormatChoice` for each tensor, with its error, in graph order.
    """

    rows: tuple[FormatChoice, ...]

    def __getitem__(self, node: str) -> dict[str, IntegerFormat | NumberFormat]:
        found = {row.operand: row.format for row in self.rows if node in row.nodes}
        if not found:
            raise KeyError(f"there are no formats for node {node!r}; there are for: {', '.join(self)}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(node for row in self.rows for node in row.nodes))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def config(self) -> dict[str, Any]:
        """Return the config by name that gives each node its formats in ``quantize_transform_pass``.

        Raises:
            ConfigError: a format has a sign that such a config cannot express, or an operand has none.
        """
        config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
        if self._of_numbers:
            return {**config, **{node: {"config": self._entries(node)} for node in self}}
        operations = {node: row.mase_op for row in self.rows for node in row.nodes}
        for node, formats in self.items():
            table: dict[str, Any] = {"name": "integer"}
            for operand in OPERANDS[operations[node]]:
                if operand.name not in formats:
                    if operand.fallback is None:
                        raise ConfigError(
                            f"best_formats: node {node} needs a format for {operand.name} too; give its width"
                        )
                    continue
                format = formats[operand.name]
                assert isinstance(format, IntegerFormat)
                if format.is_signed != operand.is_signed:
                    sign = "signed" if operand.is_signed else "unsigned"
                    raise ConfigError(
                        f"best_formats: {node}.{operand.name} is always {sign} in a quantized "
                        f"{operations[node]}; leave out signed=… to get a config"
                    )
                table[f"{operand.name}_width"] = format.width
                table[f"{operand.name}_frac_width"] = format.frac_width
            config[node] = {"config": table}
        return config

    @property
    def _headers(self) -> tuple[str, ...]:
        return _NUMBER_HEADERS if self._of_numbers else _HEADERS

    @property
    def _of_numbers(self) -> bool:
        return bool(self.rows) and isinstance(self.rows[0].format, NumberFormat)

    def _entries(self, node: str) -> dict[str, Any]:
        """One node's table of formats other than fixed point; operands that are not quantized have the weight's."""
        rows = {row.operand: row for row in self.rows if node in row.nodes}
        first = next(iter(rows.values()))
        table: dict[str, Any] = {"name": first.format.name}  # type: ignore[union-attr]
        for operand in OPERANDS[first.mase_op]:
            row = rows.get(operand.name)
            if row is None and operand.fallback is None:
                row = first  # what the layer reads and does nothing with
            if row is not None:
                table |= {f"{operand.name}_{name}": value for name, value in row.entries.items()}
        return table

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a pandas table."""
        import pandas as pd

        return pd.DataFrame(
            {
                "node": row.node,
                "operand": row.operand,
                "width": row.format.width,
                **_parameters(row),
                "mse": row.mse,
                "sqnr_db": row.sqnr_db,
                "elements": row.elements,
            }
            for row in self.rows
        )

    def __repr__(self) -> str:
        return text_table(self._headers, [row.cells() for row in self.rows])

    def _repr_html_(self) -> str:
        return html_table(self._headers, [row.cells() for row in self.rows])


def _parameters(row: FormatChoice) -> dict[str, Any]:
    if isinstance(row.format, NumberFormat):
        return {"format": str(row.format)}
    return {"frac_width": row.format.frac_width, "is_signed": row.format.is_signed}
