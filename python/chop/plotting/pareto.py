"""The Pareto front with the points that it dominates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.plotting.style import GREY, PALETTE, axes, label, tidy
from chop.plotting.tables import Points, direction_of, feasible_rows, need_columns, points_of
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MANY = 3000  # points, above which they are drawn smaller, and in an SVG as one image


def pareto_front(
    points: Any,
    x: str | None = None,
    y: str | None = None,
    front: Any = None,
    directions: Mapping[str, str] | None = None,
    ax: Axes | None = None,
    floats: Mapping[str, float] | None = None,
) -> Axes:
    """Draw all points in grey, those that no other dominates in colour, and the limit that these make.

    Args:
        points: a ``chop.search.SweepReport``, the result of a search, an Optuna study, a pandas table, a CSV file,
            columns by name or a list of rows. Rows with a NaN in ``x`` or ``y`` (pruned, failed) are left out. Those
            that break a constraint are crosses and never in a front that is found here.
        x, y: the columns; left out, the first objective upwards and the second to the right.
        front: which points are in it: a list of rows as mappings, positions (int) or one bool a row of ``points``.
            Left out, it is found from ``x`` and ``y``.
        directions: column -> "maximize" or "minimize"; left out, those of the study or of the metric's name.
        ax: axes to draw in.
        floats: column -> value of the float model, a dashed line where it is ``x`` or ``y``.

    Returns:
        The axes. Their first collection holds the dominated points, the second the front, the third, where there are
        constraints, what breaks them; their first line is the limit.

    Raises:
        ConfigError: a column that is not there, no point, a direction that is not known, matplotlib is missing.

    >>> rows = [{"accuracy": 0.5, "average_bitwidth": 4.0}, {"accuracy": 0.7, "average_bitwidth": 8.0},
    ...         {"accuracy": 0.4, "average_bitwidth": 6.0}]
    >>> ax = pareto_front(rows, x="average_bitwidth", y="accuracy")
    >>> ax.collections[1].get_offsets().tolist()
    [[4.0, 0.5], [8.0, 0.7]]
    """
    found = points_of(points)
    x, y = _columns(found, x, y)
    need_columns(found.frame, (x, y), "pareto_front")
    given = {**found.objectives, **(directions or {})}
    ways = (direction_of(x, given), direction_of(y, given))
    whole = found.frame[[x, y]].to_numpy(dtype=np.float64)
    kept = feasible_rows(found.frame)
    allowed, broken = _finite(whole[kept]), _finite(whole[~kept])
    best = allowed[front_of(allowed, ways)] if front is None else _finite(_given_front(front, x, y, whole))
    rest = _without(allowed, best)
    if not len(best) and not len(rest) and not len(broken):
        raise ConfigError(f"pareto_front: no point has both {x} and {y}")
    drawn = axes(ax)
    _draw(drawn, rest, best, broken, ways)
    for name, line in ((y, drawn.axhline), (x, drawn.axvline)):
        if name in (floats or {}):
            line(
                (floats or {})[name],
                color="#707070",
                linewidth=1,
                linestyle="--",
                label="float model",
                zorder=1,
            )
    _legend(drawn, own=ax is None, ways=ways)
    drawn.set_xlabel(label(x))
    drawn.set_ylabel(label(y))
    return tidy(drawn)


def best_rows(frame: pd.DataFrame, directions: Mapping[str, str]) -> np.ndarray:
    """Return the positions of the results that keep their constraints and that no other such one dominates.

    Args:
        frame: rows without NaN in the objectives.
        directions: objective -> "maximize" or "minimize".
    """
    kept = np.flatnonzero(feasible_rows(frame))
    values = frame[list(directions)].to_numpy(dtype=np.float64)[kept]
    return kept[front_of(values, list(directions.values()))]


def front_of(values: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Return the positions of the rows that no other dominates; values: float64 [rows, objectives]."""
    import torch

    from chop import _core

    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    costs = np.ascontiguousarray(values * signs)
    return np.array(_core.pareto_front(torch.from_numpy(costs)), dtype=np.int64)


def _columns(found: Points, x: str | None, y: str | None) -> tuple[str, str]:
    if x is not None and y is not None:
        return x, y
    names = list(found.objectives)
    if len(names) < 2:
        raise ConfigError("pareto_front: give x and y, the names of the columns to draw")
    y = y or next(name for name in names if name != x)
    return x or next(name for name in names if name != y), y


def _finite(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values[np.isfinite(values).all(axis=1)])


def _given_front(front: Any, x: str, y: str, values: np.ndarray) -> np.ndarray:
    if isinstance(front, Sequence) and front and isinstance(front[0], Mapping):
        return np.array([[row[x], row[y]] for row in front], dtype=np.float64)
    chosen = np.asarray(front)
    if chosen.dtype == bool and len(chosen) != len(values):
        raise ConfigError(f"pareto_front: front has {len(chosen)} marks for {len(values)} points")
    return values[chosen.astype(np.int64) if chosen.dtype != bool else chosen].reshape(-1, 2)


def _without(values: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Rows that are not in the front; of equal ones, none."""
    taken = {tuple(row) for row in best.tolist()}
    return np.array([row for row in values.tolist() if tuple(row) not in taken]).reshape(-1, 2)


def _draw(ax: Axes, rest: np.ndarray, best: np.ndarray, broken: np.ndarray, ways: tuple[str, str]) -> None:
    many = len(rest) + len(broken) > MANY
    # A pale grey that overlaps to a darker one: where there are many, one sees where most are.
    ax.scatter(
        rest[:, 0], rest[:, 1], s=6 if many else 16, color=GREY, alpha=0.25 if many else 0.5, linewidths=0,
        rasterized=many, label=f"dominated ({len(rest):,})", zorder=2,
    )  # fmt: skip
    ax.scatter(
        best[:, 0], best[:, 1], s=34, color=PALETTE[1], edgecolors="white", linewidths=0.6,
        label=_front_label(best), zorder=4,
    )  # fmt: skip
    if len(broken):
        ax.scatter(
            broken[:, 0], broken[:, 1], s=6 if many else 16, color=GREY, alpha=0.25 if many else 0.5, marker="x",
            linewidths=0.8, rasterized=many, label=f"breaks a constraint ({len(broken):,})", zorder=1,
        )  # fmt: skip
    corners = best[np.lexsort((best[:, 1], best[:, 0]))]
    step = "steps-post" if ways[0] == "minimize" else "steps-pre"
    ax.plot(corners[:, 0], corners[:, 1], drawstyle=step, color=PALETTE[1], linewidth=1.2, zorder=3)


def _front_label(best: np.ndarray) -> str:
    """How many points are seen; beside it how many results they are, where several lie on each other."""
    seen = len(np.unique(best, axis=0))
    return f"front ({seen:,})" if seen == len(best) else f"front ({seen:,}; {len(best):,} with equal ones)"


def _legend(ax: Axes, own: bool, ways: tuple[str, str]) -> None:
    """Below a figure of our own, where it covers nothing; in other axes in the corner that no good point lies in."""
    right, upper = ways[0] == "minimize", ways[1] == "minimize"
    corner: Any = f"{'upper' if upper else 'lower'} {'right' if right else 'left'}"
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncols": 3} if own else {"loc": corner}
    shown = ax.legend(**place, frameon=not own, fontsize=9)
    for (
        handle
    ) in shown.legend_handles:  # small pale dots, of which the plot has many, would not be seen alone
        if handle is not None and hasattr(handle, "set_sizes"):
            handle.set_alpha(1.0)
            handle.set_sizes([30.0])
