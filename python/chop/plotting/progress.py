"""The best value so far, trial by trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chop.plotting.style import GREY, PALETTE, axes, label, tidy
from chop.plotting.tables import feasible_rows, need_columns, points_of
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def best_so_far(points: Any, objective: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the value of each trial as a dot, and the best one up to then as a line.

    A trial that breaks a constraint is never the best.

    Args:
        points: an Optuna study or the result of a search.
        objective: one of its objectives; left out, the first.
        ax: axes to draw in.

    Returns:
        The axes; their first line is the best value.

    Raises:
        ConfigError: no study, no such objective, no completed trial; matplotlib is missing.

    >>> import optuna
    >>> study = optuna.create_study()
    >>> study.add_trials([optuna.trial.create_trial(value=value) for value in (3.0, 1.0, 2.0)])
    >>> best_so_far(study).lines[0].get_ydata().tolist()
    [3.0, 1.0, 1.0]
    """
    found = points_of(points)
    name = objective or next(iter(found.objectives), None)
    if name is None or "number" not in found.frame.columns:
        raise ConfigError("best_so_far: points must be an Optuna study or the result of a search")
    need_columns(found.frame, (name,), "best_so_far")
    if name not in found.objectives:
        raise ConfigError(
            f"best_so_far: objective must be one of {', '.join(found.objectives)}, got {name!r}"
        )
    frame = found.frame.dropna(subset=[name])
    if not len(frame):
        raise ConfigError("best_so_far: no completed trial")
    values = frame[name].to_numpy(dtype=float)
    allowed = np.where(feasible_rows(frame), values, np.nan)
    best = np.fmax if found.objectives[name] == "maximize" else np.fmin
    drawn = axes(ax, 6.4, 3.5)
    drawn.scatter(frame["number"], values, s=12, color=GREY, alpha=0.6, linewidths=0, label="trial", zorder=2)
    drawn.plot(
        frame["number"],
        best.accumulate(allowed),
        drawstyle="steps-post",
        color=PALETTE[1],
        label="best so far",
        zorder=3,
    )
    drawn.set_xlabel("trial")
    drawn.set_ylabel(label(name))
    drawn.legend(fontsize=8)
    return tidy(drawn)
