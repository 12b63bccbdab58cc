"""The HTML of a report: everything in one file, everything escaped, nothing fetched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from chop.actions.study_report.inline_svg import figure_html, inline_svg
from chop.actions.study_report.style import SCRIPT, STYLE
from chop.plotting.tables import FEASIBLE
from chop.tools.text_tables import html_table

if TYPE_CHECKING:
    from chop.actions.study_report.pictures import Drawing
    from chop.actions.study_report.sources import Source

MOST_ROWS = 1000
MOST_CONFIGS = 200


def page(
    source: Source,
    drawings: Sequence[tuple[Drawing, bytes]],
    importances: Mapping[str, Mapping[str, float]],
) -> str:
    """Return the whole document; each drawing with its picture as SVG."""
    from chop.actions.study_report.sources import front_rows

    front = front_rows(source.table)
    parts = [
        f"<h1>{escape(source.heading)}</h1>",
        _facts(source.facts),
        *(_figure(drawing, svg) for drawing, svg in drawings),
        _importances(importances),
        "<h2>Front</h2>",
        _front(source, front.to_dict("records")),
        "<h2>Results</h2>",
        _results(source),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(source.heading)}</title><style>{STYLE}</style>"
    )
    body = "\n".join(part for part in parts if part)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n'
        f"<body><main>\n{body}\n</main><script>{SCRIPT}</script></body></html>\n"
    )


def _facts(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{escape(_word(value))}</td></tr>"
        for name, value in facts.items()
        if value is not None
    )
    return f'<table class="facts">{rows}</table>'


def _figure(drawing: Drawing, svg: bytes) -> str:
    inline = inline_svg(svg, drawing.name, drawing.title, drawing.hints)
    return figure_html(inline, drawing.title, drawing.words)


def _importances(found: Mapping[str, Mapping[str, float]]) -> str:
    if not found:
        return ""
    parameters = list(dict.fromkeys(name for table in found.values() for name in table))
    head = ["parameter", *(f"for {goal.replace('_', ' ')}" for goal in found)]
    rows = [
        [name, *(f"{table[name]:.3f}" if name in table else "" for table in found.values())]
        for name in parameters
    ]
    words = (
        "How much a parameter decides whether a trial is among the best tenth (PED-ANOVA, Optuna); the parameters of a "
        "column add up to 1."
    )
    return f"<h2>Importance</h2><p>{words}</p>{_table(head, rows)}"


def _front(source: Source, rows: Sequence[Mapping[str, Any]]) -> str:
    shown = rows[:MOST_CONFIGS]
    words = f"{len(rows):,} configuration{'s' * (len(rows) != 1)} that no other dominates."
    if FEASIBLE in source.table.frame:
        words = f"Of those that keep the constraints: {words}"
    if len(rows) > len(shown):
        words += f" The first {len(shown)} are shown."
    if source.configs:
        words += " Open one for its config: save it as a TOML file and run ch transform --config with it."
        return f"<p>{words}</p>{''.join(_entry(source, row) for row in shown)}"
    names = [*source.table.objectives, *source.table.parameters]
    words += " The sweep's file has no configs; a study beside it has."
    return f"<p>{words}</p>{_table(['number', *names], _cells(shown, ['number', *names]))}"


def _entry(source: Source, row: Mapping[str, Any]) -> str:
    values = ", ".join(
        f"{escape(name.replace('_', ' '))} {escape(_word(row[name]))}" for name in source.table.objectives
    )
    number = int(row["number"])
    summary = f"<summary>trial {number}: {values}</summary>"
    if number not in source.configs:
        return f"<details>{summary}<p>The trial holds no config.</p></details>"
    text = config_text(source.configs[number], source.options)
    copy = '<button type="button" class="copy">Copy</button>'
    return f"<details>{summary}{copy}<pre>{escape(text)}</pre></details>"


def config_text(passes: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> str:
    """Return passes as TOML, which ``ch transform --config`` takes: below ``options`` that name model and data.

    >>> passes = {"quantize": {"by": "name", "default": {"config": {"name": None}}}}
    >>> print(config_text(passes, {"model": "jsc-tiny"}).strip())
    model = "jsc-tiny"
    <BLANKLINE>
    [passes.quantize]
    by = "name"
    <BLANKLINE>
    [passes.quantize.default.config]
    name = "NA"
    """
    import tomlkit

    from chop.tools.config_load import convert_none_to_str_na

    return tomlkit.dumps({**(options or {}), "passes": convert_none_to_str_na(passes)})


def _results(source: Source) -> str:
    frame = source.table.frame
    names = [
        name
        for name in ("number", *source.table.objectives, FEASIBLE, "seconds", *source.table.parameters)
        if name in frame.columns and (name in source.table.objectives or frame[name].nunique() > 1)
    ]
    words = f"{len(frame):,} results; a click on a heading sorts."
    if len(frame) > MOST_ROWS:
        first = next(iter(source.table.objectives))
        keys, ways = [first], [source.table.objectives[first] == "minimize"]
        if FEASIBLE in frame:
            keys, ways = [FEASIBLE, *keys], [False, *ways]
        frame = frame.sort_values(keys, ascending=ways).head(MOST_ROWS)
        words = (
            f"The best {MOST_ROWS:,} in {first.replace('_', ' ')} of {len(source.table.frame):,} results; "
            + ("a click on a heading sorts these.")
        )
    return f"<p>{escape(words)}</p>{_table(names, _cells(frame[names].to_dict('records'), names))}"


def _cells(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[list[str]]:
    return [[_word(row.get(name)) for name in names] for row in rows]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    names = [name.replace("/", "/\u200b") for name in head]  # where a long heading may be broken
    return f'<div class="wide">{html_table(names, rows)}</div>'


def _word(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) or hasattr(value, "dtype"):
        try:
            return "–" if math.isnan(value) else f"{value:.6g}"
        except TypeError:
            return str(value)
    return str(value)
