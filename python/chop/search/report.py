"""What a sweep found: every result, the exact front, and the proof that nothing was left out."""

from __future__ import annotations

import importlib.util
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.search.bounds import Bounds
from chop.search.parts import digest_of_columns, to_npz
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install
from chop.tools.text_tables import html_table

if TYPE_CHECKING:
    from chop.search.configurations import Configurations
    from chop.search.parts import Parts

SHOWN = 20


@dataclass(frozen=True)
class SweepReport:
    """The results of :func:`chop.search.sweep`.

    Attributes:
        objectives: name -> "maximize" or "minimize".
        front: the exact Pareto front, ordered by the first objective, best first: mappings with one entry an objective
            and "config". Configurations with equal objectives are all in it; of those that mean the same, the first is.
        configurations: the size of the space; ``evaluated + pruned + duplicates`` is as many.
        evaluated: configurations measured on all rows.
        pruned: those that were dropped, because the rows seen so far proved that a finished one is better.
        duplicates: configurations that mean the same as an earlier one.
        rows: of data.
        seconds: that it took, of this run where an earlier one was continued.
        threads: of the core.
        constraints: metric or cost model -> its bounds.
    """

    objectives: Mapping[str, str]
    front: list[dict[str, Any]]
    configurations: int
    evaluated: int
    pruned: int
    duplicates: int
    rows: int
    seconds: float
    threads: int
    constraints: Mapping[str, Mapping[str, float]]
    _columns: tuple[str, ...] = field(repr=False)
    _all: Configurations = field(repr=False)
    _parts: Parts = field(repr=False)

    @cached_property
    def results(self) -> dict[str, np.ndarray]:
        """One row for each distinct configuration, in the order of the space.

        Columns: ``configuration`` (int64, its number, as :meth:`config` takes it), each objective, then what is bounded
        and no objective (float64; what was
        not measured to the end is NaN) and ``pruned`` (bool).
        """
        values, dropped = self._parts.all()
        columns = {"configuration": self._all.numbers(np.arange(len(values), dtype=np.int64))}
        columns |= {name: values[:, k] for k, name in enumerate(self._columns)}
        return {**columns, "pruned": dropped.astype(bool)}

    @cached_property
    def feasible(self) -> np.ndarray:
        """bool [rows of :attr:`results`]: which keep all constraints; a pruned one keeps none."""
        return Bounds(self.constraints, self.objectives).kept(self.results)

    @cached_property
    def parameters(self) -> dict[str, np.ndarray]:
        """The choices of each row of :attr:`results`, by the parameters that have several; of a list, none."""
        return self._all.parameters(self.results["configuration"])

    def config(self, number: int) -> Any:
        """Return the config with that number; None for the float model in a list of configs.

        Raises:
            IndexError: there is none.
        """
        return self._all.config(number)

    def indexes(self, number: int) -> dict[str, int]:
        """Return the choices of the configuration with that number by the parameters of the space; of a list, none."""
        return self._all.indexes(number)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write :attr:`results` to one file, with a column for each parameter of the space that has several choices.

        Args:
            path: ends in .parquet or .npz; any other gets .parquet where pyarrow is, else .npz.

        Returns:
            The path written.

        Raises:
            ConfigError: .parquet, and pyarrow is not installed.
            OSError: it could not be written; nothing is left then.
        """
        target = Path(path)
        arrow = importlib.util.find_spec("pyarrow") is not None
        if target.suffix not in (".parquet", ".npz"):
            target = target.with_name(target.name + (".parquet" if arrow else ".npz"))
        if target.suffix == ".parquet" and not arrow:
            raise ConfigError(
                f"{target}: parquet needs pyarrow ({how_to_install('data', ['pyarrow'])}); .npz needs nothing"
            )
        columns = {**self.results, **self.parameters}
        counts = {
            name: getattr(self, name)
            for name in ("configurations", "evaluated", "pruned", "duplicates", "rows")
        }
        bounds = {name: dict(bound) for name, bound in self.constraints.items()}
        about = json.dumps({"objectives": dict(self.objectives), "constraints": bounds, **counts})
        if target.suffix == ".parquet":
            return atomic_write(target, _to_parquet(columns, about))
        return atomic_write(target, to_npz({**columns, "about": np.array(about)}))

    def __repr__(self) -> str:
        lines = [self._title(), *("  " + "  ".join(row) for row in self._rows())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *rows = ([cell.strip() for cell in row] for row in self._rows())
        return html_table(head, rows, self._title())

    def _title(self) -> str:
        return (
            f"Sweep of {self.configurations:,} configurations on {self.rows:,} rows in {self.seconds:.2f} s: "
            f"{self.evaluated:,} evaluated, {self.pruned:,} pruned, {self.duplicates:,} duplicates; "
            f"{len(self.front):,} in the front"
        )

    def _rows(self) -> list[list[str]]:
        widths = [max(len(name), 10) for name in self._columns]
        rows = [[name.rjust(width) for name, width in zip(self._columns, widths, strict=True)]]
        for entry in self.front[:SHOWN]:
            cells = (f"{entry[name]:.6g}" for name in self._columns)
            rows.append([cell.rjust(width) for cell, width in zip(cells, widths, strict=True)])
        if not self.front and self.constraints:
            rows.append(["no configuration keeps the constraints", *("" for _ in widths[1:])])
        if len(self.front) > SHOWN:
            rows.append([f"… {len(self.front) - SHOWN} more", *("" for _ in widths[1:])])
        return rows


def _to_parquet(columns: Mapping[str, np.ndarray], about: str) -> bytes:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table(dict(columns))
    digest = digest_of_columns({name: table[name].to_numpy() for name in table.column_names}, about)
    table = table.replace_schema_metadata({"chop.sweep": about, "chop.sha256": digest})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()
