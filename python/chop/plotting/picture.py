"""Figures that belong to nobody but the caller: no pyplot, no rcParams, and a picture where a notebook shows one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 110


class PictureAxes(Axes):
    """Axes that a notebook shows as the picture of their figure."""

    name = "chop"

    def _repr_png_(self) -> bytes:
        return figure_bytes(self.figure, "png")


def new_figure_axes(width: float, height: float) -> Axes:
    """Return the axes of a new figure of that size in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot(axes_class=PictureAxes)


def figure_bytes(figure: Any, kind: str) -> bytes:
    """Return a figure as "png", "svg" or "pdf": the same bytes for the same figure."""
    import matplotlib

    buffer = io.BytesIO()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"svg.hashsalt": "chop", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=kind, facecolor="white", metadata=undated.get(kind, {}))
    return buffer.getvalue()


def text_colour(rgba: Any) -> str:
    """Return black or white, whichever has the greater contrast on a colour, as WCAG 2.2 defines it.

    >>> text_colour((1.0, 1.0, 1.0, 1.0)), text_colour((0.0, 0.0, 0.4, 1.0))
    ('black', 'white')
    """
    red, green, blue = ((c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c in rgba[:3])
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"


def heat(ax: Axes, values: Any, texts: Any, **options: Any) -> Any:
    """Draw a matrix as coloured cells with a text in each, and return the image."""
    image = ax.imshow(values, aspect="auto", **options)
    for row, column, text in _cells(texts):
        colour = text_colour(image.cmap(image.norm(values[row][column])))
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    return image


def _cells(texts: Any) -> Iterator[tuple[int, int, str]]:
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if text:
                yield row, column, text
