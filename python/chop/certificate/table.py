"""A table with notes under it."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """Return columns of equal width, then a line a note; the first three columns are left-aligned.

    >>> print(text_table(["a", "b", "c", "size"], [["x", "y", "z", "12"]], ["a note"]))
    a  b  c  size
    x  y  z    12
    a note
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [
            text.ljust(width) if i < 3 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, *notes])
