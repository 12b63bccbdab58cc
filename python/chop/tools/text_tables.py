"""Tables of results as text and as HTML, for the reprs of result objects."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table, cells right-aligned but for the first column.

    >>> print(text_table(["node", "loss"], [["fc", "0.5"]]))
    | node   |   loss |
    |--------+--------|
    | fc     |    0.5 |
    """
    from tabulate import tabulate

    align = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(
        [list(row) for row in rows],
        headers=list(headers),
        tablefmt="orgtbl",
        colalign=align if rows else None,
        disable_numparse=True,
    )


def html_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], text: str = "", notes: Sequence[str] = ()
) -> str:
    """Return the same as HTML, with ``text`` above it and a list of notes below; everything is escaped.

    >>> html_table(["a<b"], [["1"]])
    '<table><thead><tr><th>a&lt;b</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in headers)
    lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    above = f"<pre>{html.escape(text)}</pre>" if text else ""
    listed = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    below = f"<ul>{listed}</ul>" if listed else ""
    return f"{above}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def number(value: float | None, digits: int = 6) -> str:
    """Return a number in few digits, ``-`` for None.

    >>> number(None), number(0.25), number(1234567890), number(math.inf)
    ('-', '0.25', '1234567890', 'inf')
    """
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def decibels(power: float, error: float) -> float:
    """Return ``10 log10(power / error)``: infinite without error, minus infinite where there is only error.

    >>> decibels(100.0, 1.0), decibels(0.0, 0.0)
    (20.0, inf)
    """
    if error == 0.0:
        return math.inf
    return 10.0 * math.log10(power / error) if power > 0.0 and math.isfinite(error) else -math.inf


def number_or_text(text: str) -> int | float | str:
    """Return a whole number, a number, or the text itself.

    >>> number_or_text("3"), number_or_text("3e-1"), number_or_text("adam")
    (3, 0.3, 'adam')
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
