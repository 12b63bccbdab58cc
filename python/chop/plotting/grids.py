"""A table of trainings: what each combination of options came to, over its repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.plotting.style import PALETTE, axes, label, tidy
from chop.plotting.tables import frame_of, need_columns
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

VALUES = (
    "val_acc",
    "val_accuracy",
    "validation_accuracy",
    "accuracy",
    "train_acc",
    "train_accuracy",
    "val_loss",
)
# Columns of a grid's table that are neither options of a run nor figures.
NOT_OPTIONS = {
    "run",
    "repeat",
    "seed",
    "number",
    "epoch",
    "epochs",
    "step",
    "steps",
    "state",
    "engine",
    "failure",
    "folder",
}
FIGURES = ("val", "train_", "test", "seconds", "accuracy", "loss")  # how columns of measurements begin


def grid(
    table: Any, value: str | None = None, options: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the mean of a value, and its standard deviation over repeats, for each combination of options.

    One option: points with error bars. Two and more: a heat map with the last option to the right, and the
    combinations of all others down.

    Args:
        table: the ``grid.csv`` of ``ch train --grid`` (its path), or a table with a row for each run; one that
            failed has no figure and counts for nothing.
        value: the column to draw; left out, the validation accuracy.
        options: the columns that were varied; left out, those with several values that are no measurement.
        ax: axes to draw in.

    Returns:
        The axes; of a heat map, their image holds the means, NaN where there is no run.

    Raises:
        ConfigError: a column that is not there, nothing that was varied; matplotlib is missing.

    >>> rows = [{"learning_rate": r, "batch_size": b, "repeat": k, "val_acc": 0.5 + r + 0.01 * k}
    ...         for r in (0.01, 0.1) for b in (16, 256) for k in (0, 1)]
    >>> grid(rows).images[0].get_array().round(3).tolist()
    [[0.515, 0.515], [0.605, 0.605]]
    """
    import pandas as pd

    frame = frame_of(table, "grid")
    value = value or next((name for name in VALUES if name in frame.columns), None)
    if value is None:
        raise ConfigError(
            f"grid: give value, the column to draw; there are {', '.join(map(str, frame.columns))}"
        )
    chosen = list(options) if options is not None else _options(frame, value)
    need_columns(frame, (value, *chosen), "grid")
    frame = frame.assign(**{value: pd.to_numeric(frame[value], errors="coerce")})  # a failed run's is empty
    if not chosen:
        raise ConfigError("grid: no option has several values; name the columns: options=[…]")
    found = frame.groupby(chosen, sort=True)[value].agg(["mean", "std"])
    if len(chosen) == 1:
        return _draw_line(found, chosen[0], value, ax)
    return _draw_map(found, chosen, value, ax)


def _options(frame: pd.DataFrame, value: str) -> list[str]:
    """Columns with several values that are no measurement."""
    names = [name for name in map(str, frame.columns) if name != value and name not in NOT_OPTIONS]
    return [name for name in names if not name.startswith(FIGURES) and frame[name].nunique() > 1]


def _text(mean: float, deviation: float) -> str:
    if math.isnan(mean):
        return ""
    return f"{mean:.4g}" if math.isnan(deviation) else f"{mean:.4g}\n± {deviation:.2g}"


def _draw_line(found: pd.DataFrame, option: str, value: str, ax: Axes | None) -> Axes:
    drawn = axes(ax, 5.6, 3.8)
    places = np.arange(len(found))
    deviations = found["std"].fillna(0.0).to_numpy()
    drawn.errorbar(places, found["mean"], deviations, fmt="o", color=PALETTE[0], capsize=4, zorder=3)
    drawn.set_xticks(places, [_word(key) for key in found.index])
    drawn.set_xlim(-0.5, len(found) - 0.5)
    drawn.set_xlabel(label(option))
    drawn.set_ylabel(label(value))
    return tidy(drawn, "y")


def _draw_map(found: pd.DataFrame, options: Sequence[str], value: str, ax: Axes | None) -> Axes:
    from chop.plotting.picture import heat

    table = found.unstack(options[-1])
    means, deviations = table["mean"].to_numpy(), table["std"].to_numpy()
    rows = [_words(key, options[:-1]) for key in table.index]
    columns = [_word(key) for key in table["mean"].columns]
    longest = max(map(len, rows))
    drawn = axes(ax, max(4.4, 0.95 * len(columns) + 0.09 * longest + 2.2), max(2.4, 0.5 * len(rows) + 1.1))
    texts = [
        [_text(mean, deviation) for mean, deviation in zip(*line, strict=True)]
        for line in zip(means, deviations, strict=True)
    ]
    image = heat(drawn, means, texts, cmap="cividis")
    drawn.figure.colorbar(image, ax=drawn, label=label(value))
    drawn.set_xticks(range(len(columns)), columns, fontsize=9)
    drawn.set_yticks(range(len(rows)), rows, fontsize=9)
    drawn.set_xlabel(label(options[-1]))
    drawn.set_ylabel(label(options[0]) if len(options) == 2 else "")
    return drawn


def _words(key: Any, options: Sequence[str]) -> str:
    if len(options) == 1:
        return _word(key[0] if isinstance(key, tuple) else key)
    return ", ".join(f"{label(name)} {_word(part)}" for name, part in zip(options, key, strict=True))


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
