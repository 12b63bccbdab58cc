"""Parallel coordinates: each result a line through its parameters and objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.plotting.pareto import best_rows
from chop.plotting.style import GREY, PALETTE, axes, parameter_label, shortened
from chop.plotting.tables import direction_of, need_columns, points_of
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST = 2000  # lines; of more, an evenly spaced part and all of the front
MOST_COLUMNS = 24
MOST_WORDS = 8  # values of a column that are all written beside it


def parallel_coordinates(
    points: Any,
    columns: Sequence[str] | None = None,
    objectives: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each result as a line through its parameters and objectives; the Pareto front in colour.

    Results that break a constraint are in no front.

    Args:
        points: as :func:`chop.plotting.pareto_front` takes them.
        columns: the axes, from the left; left out, the parameters with several values, those with the most influence
            on the first objective first where there are more than fit, and the objectives.
        objectives: column -> "maximize" or "minimize"; left out, those of the study or the sweep.
        ax: axes to draw in.

    Returns:
        The axes; a collection of grey lines and one of the front's.

    Raises:
        ConfigError: a column that is not there, no objective, no result; matplotlib is missing.

    >>> rows = [{"width": w, "accuracy": a} for w, a in ((4, 0.5), (6, 0.9), (8, 0.8))]
    >>> ax = parallel_coordinates(rows, ["width", "accuracy"], {"accuracy": "maximize"})
    >>> len(ax.collections[1].get_segments()), [label.get_text() for label in ax.get_xticklabels()]
    (1, ['width', 'accuracy'])
    """
    found = points_of(points)
    ways = dict(objectives) if objectives is not None else dict(found.objectives)
    if not ways:
        raise ConfigError("parallel_coordinates: give objectives, column -> maximize or minimize")
    need_columns(found.frame, (*ways, *(columns or ())), "parallel_coordinates")
    frame = found.frame.dropna(subset=list(ways)).reset_index(drop=True)
    if not len(frame):
        raise ConfigError("parallel_coordinates: no result has all of " + ", ".join(ways))
    names = list(columns) if columns is not None else _columns(frame, found.parameters, ways)
    best = best_rows(frame, {name: direction_of(name, ways) for name in ways})
    scaled = np.stack([_scaled(frame[name])[0] for name in names], axis=1)
    drawn = axes(ax, max(5.0, 0.95 * len(names) + 1.2), 4.4)
    _draw_lines(drawn, scaled, best)
    _draw_axes(drawn, frame, names)
    return drawn


def _columns(frame: pd.DataFrame, parameters: Sequence[str], ways: Mapping[str, str]) -> list[str]:
    from chop.plotting.marginal import influence

    several = [name for name in parameters if frame[name].nunique() > 1]
    room = MOST_COLUMNS - len(ways)
    if len(several) > room:
        first = next(iter(ways))
        kept = sorted(several, key=lambda name: -influence(frame, name, first))[:room]
        several = [name for name in several if name in kept]
    return [*several, *ways]


def _scaled(column: pd.Series) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Values from 0 to 1, and the words beside the axis."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=float)
        low, high = np.nanmin(values), np.nanmax(values)
        span = high - low or 1.0
        distinct = np.unique(values[np.isfinite(values)])
        marks = distinct if len(distinct) <= MOST_WORDS else np.linspace(low, high, 5)
        return (values - low) / span, [((mark - low) / span, f"{mark:.3g}") for mark in marks]
    kinds = sorted(column.astype(str).unique())
    step = 1.0 / max(1, len(kinds) - 1)
    places = {kind: k * step for k, kind in enumerate(kinds)}
    return column.astype(str).map(places).to_numpy(dtype=float), [(y, kind) for kind, y in places.items()]


def _draw_lines(ax: Axes, scaled: np.ndarray, best: np.ndarray) -> None:
    from matplotlib.collections import LineCollection

    x = np.arange(scaled.shape[1])
    rest = np.setdiff1d(np.arange(len(scaled)), best)
    if len(rest) > MOST:
        rest = rest[np.linspace(0, len(rest) - 1, MOST).astype(np.int64)]
    alpha = float(np.clip(30 / max(1, len(rest)), 0.06, 0.5))
    for rows, options in (
        (rest, {"colors": GREY, "alpha": alpha, "linewidths": 0.8, "rasterized": len(rest) > 300}),
        (
            best,
            {
                "colors": PALETTE[1],
                "alpha": float(np.clip(20 / max(1, len(best)), 0.25, 0.9)),
                "linewidths": 1.4,
            },
        ),
    ):
        lines = [np.column_stack([x, scaled[row]]) for row in rows]
        ax.add_collection(LineCollection(lines, zorder=2 + (rows is best), **options))


def _draw_axes(ax: Axes, frame: pd.DataFrame, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        ax.axvline(place, color="black", linewidth=0.8, zorder=4)
        for height, word in _scaled(frame[name])[1]:
            ax.text(
                place + 0.04, height, shortened(word, 12), fontsize=7, va="center", zorder=5,
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6},
            )  # fmt: skip
    ax.set_xlim(-0.15, len(names) - 0.45)
    ax.set_ylim(-0.04, 1.04)
    ax.set_yticks([])
    for side in ("top", "right", "bottom", "left"):
        ax.spines[side].set_visible(False)
    words = [parameter_label(name, 30) for name in names]
    ax.set_xticks(range(len(names)), words, rotation=35, ha="right", fontsize=8)
