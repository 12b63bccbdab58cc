"""What each parameter does to an objective: means over all results with the same choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.plotting.style import PALETTE, axes, label, parameter_label, shortened, tidy
from chop.plotting.tables import need_columns, points_of
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_CHOICES, PARTS = 16, 8  # a number with more values is looked at in parts of as many results
NEAR = 0.025  # of the widest row
MOST = 20  # parameters, the most influential first


def influence(frame: pd.DataFrame, parameter: str, objective: str) -> float:
    """Return which share of the objective's variance the choices of one parameter explain, 0..1.

    The variance of the means, weighted by how many results each choice has, over that of all results (the correlation
    ratio eta squared, Pearson 1905). With few results a share is there by chance: of n results of pure noise,
    (choices - 1) / (n - 1) on average.

    >>> import pandas as pd
    >>> influence(pd.DataFrame({"a": [1, 1, 2, 2], "loss": [1.0, 1.0, 3.0, 3.0]}), "a", "loss")
    1.0
    """
    values = frame[objective].to_numpy(dtype=float)
    total = float(((values - values.mean()) ** 2).sum())
    if total == 0.0:
        return 0.0
    groups = frame.groupby(_choices(frame[parameter]))[objective]
    found = groups.agg(["mean", "size"])
    return float((found["size"] * (found["mean"] - values.mean()) ** 2).sum() / total)


def marginal_effects(
    points: Any, objective: str | None = None, parameters: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw, for each parameter, the mean of the objective over all results with each of its choices.

    A row for each parameter, the one that explains most at the top; a dot for each choice, with its value; of a
    number with many values, a dot for each eighth of the results, with its median. The dotted line is the mean of all.

    Args:
        points: as :func:`chop.plotting.pareto_front` takes them.
        objective: the column; left out, the first objective.
        parameters: columns; left out, all parameters with several values, the 20 most influential.
        ax: axes to draw in.

    Returns:
        The axes; their first lines are the rows from the top down.

    Raises:
        ConfigError: a column that is not there, nothing that was varied; matplotlib is missing.

    >>> rows = [{"width": w, "accuracy": a} for w, a in ((4, 0.4), (8, 0.8), (4, 0.6), (8, 1.0))]
    >>> marginal_effects(rows, "accuracy", ["width"]).lines[0].get_xdata().round(3).tolist()
    [0.5, 0.9]
    """
    found = points_of(points)
    objective = objective or next(iter(found.objectives), None)
    if objective is None:
        raise ConfigError("marginal_effects: give objective, the name of a column")
    need_columns(found.frame, (objective, *(parameters or ())), "marginal_effects")
    frame = found.frame.dropna(subset=[objective])
    names = list(parameters) if parameters is not None else list(found.parameters)
    names = [name for name in names if frame[name].nunique() > 1]
    if not names:
        raise ConfigError("marginal_effects: no parameter has several values")
    shares = {name: influence(frame, name, objective) for name in names}
    order = sorted(names, key=lambda name: -shares[name])[:MOST]
    drawn = axes(ax, 7.2, 0.42 * len(order) + 1.3)
    width = max(float(np.ptp(_means(frame, name, objective))) for name in order)
    for row, name in enumerate(order):
        _draw_row(drawn, frame, name, objective, row, width)
    drawn.axvline(float(frame[objective].mean()), color="black", linewidth=0.9, linestyle=":", zorder=1)
    words = [f"{parameter_label(name, 34)} ({100 * shares[name]:.0f} %)" for name in order]
    drawn.set_yticks(range(len(order)), words, fontsize=8)
    drawn.set_ylim(len(order) - 0.45, -0.6)
    drawn.set_xlabel(f"mean {label(objective)}; in parentheses the share of the variance")
    drawn.margins(x=0.06)
    return tidy(drawn, "x")


def _means(frame: pd.DataFrame, name: str, objective: str) -> pd.Series:
    """Mean of the objective for each choice."""
    return frame.groupby(_choices(frame[name]), sort=True)[objective].mean()


def _choices(column: pd.Series) -> pd.Series:
    """The column; of numbers with many values the median of the eighth that each lies in; anything else as text."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.astype(str)
    if column.nunique() <= MOST_CHOICES:
        return column
    parts = pd.qcut(column, PARTS, labels=False, duplicates="drop")
    return parts.map(column.groupby(parts).median())


def _draw_row(ax: Axes, frame: pd.DataFrame, name: str, objective: str, row: int, width: float) -> None:
    means = _means(frame, name, objective)
    ax.plot(means.to_numpy(), np.full(len(means), row), color=PALETTE[0], linewidth=1.0, zorder=2)
    ax.scatter(means.to_numpy(), np.full(len(means), row), s=22, color=PALETTE[0], zorder=3)
    span = float(np.ptp(means.to_numpy())) or 1.0
    groups: list[list[tuple[Any, float]]] = []  # of dots so near that their words would lie on each other
    for choice, mean in sorted(means.items(), key=lambda item: item[1]):
        if groups and mean - groups[-1][-1][1] < NEAR * max(span, width):
            groups[-1].append((choice, mean))
        else:
            groups.append([(choice, mean)])
    for group in groups:
        words = ", ".join(_word(choice) for choice, _ in group)
        place = float(np.mean([mean for _, mean in group])), row
        ax.annotate(words, place, (0, 4), textcoords="offset points", ha="center", fontsize=7, zorder=4)


def _word(choice: Any) -> str:
    return shortened(f"{choice:.4g}" if isinstance(choice, (float, np.floating)) else str(choice), 10)
