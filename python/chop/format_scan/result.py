"""The best formats of a model's tensors: a mapping, a table, and a quantize config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chop.nn.quantizers import OPERANDS, IntegerFormat
from chop.tools.errors import ConfigError
from chop.tools.text_tables import html_table, number, text_table

if TYPE_CHECKING:
    import pandas as pd

_HEADERS = ("node", "operand", "width", "frac_width", "signed", "MSE", "SQNR [dB]")


@dataclass(frozen=True, slots=True)
class FormatChoice:
    """The best format of one tensor.

    Attributes:
        nodes: the nodes that it is for; several where they call one module.
        mase_op: their operation.
        operand: ``data_in``, ``weight`` or ``bias``.
        format: of the given width, with the fraction width that has the least error.
        mse: mean squared error over the finite numbers.
        sqnr_db: power of the numbers over that of the errors, in decibels; infinite where nothing is lost.
        elements: how many numbers the tensor has, over all rows of the data for an input.
        not_finite: how many of them are NaN or infinite; they count for nothing.
        errors: fraction width -> mean squared error, for all that were tried.
    """

    nodes: tuple[str, ...]
    mase_op: str
    operand: str
    format: IntegerFormat
    mse: float
    sqnr_db: float
    elements: int
    not_finite: int
    errors: Mapping[int, float]

    @property
    def node(self) -> str:
        """The first of the nodes."""
        return self.nodes[0]

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        f = self.format
        numbers = (str(f.width), str(f.frac_width), str(f.is_signed), number(self.mse, 4))
        return ", ".join(self.nodes), self.operand, *numbers, number(self.sqnr_db, 4)


@dataclass(frozen=True, slots=True, repr=False)
class BestFormats(Mapping[str, Mapping[str, IntegerFormat]]):
    """``node -> operand -> IntegerFormat``, as :func:`chop.best_formats` found it.

    Attributes:
        rows: one :class:`FormatChoice` for each tensor, with its error, in graph order.
    """

    rows: tuple[FormatChoice, ...]

    def __getitem__(self, node: str) -> dict[str, IntegerFormat]:
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

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a pandas table."""
        import pandas as pd

        return pd.DataFrame(
            {
                "node": row.node,
                "operand": row.operand,
                "width": row.format.width,
                "frac_width": row.format.frac_width,
                "is_signed": row.format.is_signed,
                "mse": row.mse,
                "sqnr_db": row.sqnr_db,
                "elements": row.elements,
            }
            for row in self.rows
        )

    def __repr__(self) -> str:
        return text_table(_HEADERS, [row.cells() for row in self.rows])

    def _repr_html_(self) -> str:
        return html_table(_HEADERS, [row.cells() for row in self.rows])
