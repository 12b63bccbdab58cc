"""The best trials as a table to read: one column a figure, as measured, and the formats of each rule in short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chop.nn.quantizers.short_form import short_rules
from chop.tools.text_tables import number, text_table

DIGITS = 5
Rows = tuple[list[str], list[list[str]], str]


def best_table(best: Sequence[Mapping[str, Any]], float_metrics: Mapping[str, float] | None = None) -> Rows:
    """Heading, rows and a line below: the float model first, then the entries of ``best.json`` in their order.

    Args:
        best: the entries. float_metrics: figures of the float model; None or empty: no row for it.

    Formats that all entries share stand in the line below and in no column.
    """
    figures = [_figures(entry) for entry in best]
    names = list(dict.fromkeys(name for row in figures for name in row))
    rules = [short_rules(entry.get("sampled_config") or {}) for entry in best]
    keys = list(dict.fromkeys(key for row in rules for key in row))
    alike = {key: {row.get(key, "float") for row in rules} for key in keys}
    own = [key for key in keys if len(alike[key]) > 1 or len(best) == 1]

    def line(place: str, trial: str, row: Mapping[str, Any], formats: Mapping[str, str]) -> list[str]:
        cells = [number(row.get(name), DIGITS) for name in names]
        return [place, trial, *cells, *(formats.get(key, "float") for key in own)]

    rows = [line("float", "", float_metrics, {})] if float_metrics and best else []
    for place, entry in enumerate(best):
        rows.append(line(str(place), str(entry["number"]), figures[place], rules[place]))
    shared = "; ".join(f"{key} {next(iter(alike[key]))}" for key in keys if key not in own)
    return ["#", "trial", *names, *own], rows, f"The same in all: {shared}" if shared else ""


def best_text(best: Sequence[Mapping[str, Any]], float_metrics: Mapping[str, float] | None = None) -> str:
    """Return :func:`best_table` as text.

    >>> config = {"by": "type", "fc": {"config": {"name": "integer", "weight_width": 4, "weight_frac_width": 2}}}
    >>> entry = {"number": 3, "software_metrics": {"loss": 0.12345678}, "sampled_config": config}
    >>> print(best_text([entry], {"loss": 0.1}))
    Best trial(s):
    | #     |   trial |    loss |    fc |
    |-------+---------+---------+-------|
    | float |         |     0.1 | float |
    | 0     |       3 | 0.12346 |  w4.2 |
    """
    heading, rows, below = best_table(best, float_metrics)
    return "\n".join(part for part in ("Best trial(s):", text_table(heading, rows), below) if part)


def _figures(entry: Mapping[str, Any]) -> dict[str, Any]:
    measured = {**(entry.get("software_metrics") or {}), **(entry.get("hardware_metrics") or {})}
    judged = [name for name in entry.get("scaled_metrics") or {} if name in measured]
    judged.sort(key=lambda name: name not in (entry.get("software_metrics") or {}))
    return {name: measured[name] for name in dict.fromkeys([*judged, *measured])}
