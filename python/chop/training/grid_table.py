"""The tables of a grid: a row a run, kept on the disk as the runs end, and their means."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError
from chop.tools.text_tables import number_or_text

FIGURES = ("val_acc", "train_acc", "val_loss", "train_loss", "seconds_an_epoch")
TABLE, SUMMARY, SETTINGS = "grid.csv", "grid_summary.csv", "grid.json"
Key = tuple[str, ...]


class GridTable:
    """Rows of runs in the order of the grid, whichever ends first.

    Args:
        folder: holds ``grid.csv``, ``grid_summary.csv`` and ``grid.json``; None keeps all in memory.
        axes: names of the varied options.
        settings: what all runs have in common, in JSON's types; a grid goes on only with the same.

    Raises:
        ConfigError: the folder holds a grid of other settings.
    """

    def __init__(self, folder: Path | None, axes: Sequence[str], settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._axes = tuple(axes)
        self.columns = (*self._axes, "repeat", "seed", *FIGURES, "epochs", "engine", "failure")
        self._rows: dict[Key, dict[str, str]] = {}
        if folder is not None:
            _check_settings(folder / SETTINGS, {"axes": list(axes), **settings})
            self._read(folder / TABLE)

    def key(self, point: Mapping[str, Any], repeat: int) -> Key:
        """What a run is known by."""
        return (*(_text(point[name]) for name in self._axes), str(repeat))

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def add(self, values: Mapping[str, Any], order: Sequence[Key]) -> None:
        """Add the row of a run; the table on the disk is whole and has it when this returns."""
        row = {name: _text(values.get(name)) for name in self.columns}
        self._rows[self.key(values, values["repeat"])] = row
        self.write(order)

    def write(self, order: Sequence[Key]) -> None:
        """Write both tables; runs come in ``order``, those of an earlier, larger grid after them."""
        wanted = set(order)
        rest = [key for key in self._rows if key not in wanted]
        self._rows = {key: self._rows[key] for key in (*order, *rest) if key in self._rows}
        if self._folder is not None:
            atomic_write(self._folder / TABLE, _csv(self.columns, self._rows.values()))
            summary = self.summary()
            atomic_write(self._folder / SUMMARY, _csv(tuple(summary[0]) if summary else (), summary))

    def rows(self) -> list[dict[str, Any]]:
        """A row a run; numbers as numbers."""
        return [{name: _value(name, text) for name, text in row.items()} for row in self._rows.values()]

    def summary(self) -> list[dict[str, Any]]:
        """A row a combination: runs that gave figures, mean and (sample) standard deviation of each figure."""
        groups: dict[Key, list[dict[str, Any]]] = {}
        for key, row in zip(self._rows, self.rows(), strict=True):
            groups.setdefault(key[:-1], []).append(row)
        found = []
        for runs in groups.values():
            good = [run for run in runs if not run["failure"]]
            line: dict[str, Any] = {name: runs[0][name] for name in self._axes}
            line |= {"runs": len(good), "failed": len(runs) - len(good)}
            for name in FIGURES:
                values = [run[name] for run in good]
                line[f"{name}_mean"] = statistics.fmean(values) if values else ""
                line[f"{name}_std"] = statistics.stdev(values) if len(values) > 1 else ""
            found.append(line)
        return found

    def _read(self, path: Path) -> None:
        if not path.is_file():
            return
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != self.columns:
                raise ConfigError(f"grid: {path} has other columns than this grid; choose another project")
            for row in reader:
                if set(row) == set(self.columns) and None not in row.values():  # a torn one is done again
                    self._rows[(*(row[name] for name in self._axes), row["repeat"])] = row


def _check_settings(path: Path, settings: Mapping[str, Any]) -> None:
    if path.is_file():
        try:
            before = dict(json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"grid: {path} cannot be read: {error}") from None
        for key in {**before, **settings}:
            if before.get(key) != settings.get(key):
                raise ConfigError(
                    f"grid: {path.parent} holds a grid with {key} {before.get(key)!r}, got {settings.get(key)!r}; "
                    "choose another project"
                )
    atomic_write(path, json.dumps(dict(settings), indent=1))


def _csv(columns: Sequence[str], rows: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _text(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _value(name: str, text: str) -> Any:
    return text if name in ("engine", "failure") else number_or_text(text)
