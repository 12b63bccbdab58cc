"""How fast samplers come near the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.plotting.style import DASHES, PALETTE, axes, label, tidy
from chop.plotting.tables import frame_of, need_columns
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

VALUES = {
    "gap": "missing share of the true hypervolume",
    "hypervolume": "hypervolume",
    "distance": "distance to the true front (IGD+)",
}
POINTS = 200  # of a curve over seconds


def regret(
    table: Any,
    value: str = "gap",
    by: str = "trial",
    band: tuple[float, float] = (0.25, 0.75),
    ax: Axes | None = None,
) -> Axes:
    """Draw a curve for each sampler: the median over seeds, and between which values half of them lie.

    Args:
        table: the ``regret.csv`` of ``ch search --compare`` (its path), or a table with the columns ``sampler``,
            ``seed``, ``trial`` (from 1), ``seconds`` and ``value``.
        value: the column to draw: ``gap``, ``hypervolume``, ``best_<metric>``, or any other.
        by: ``trial`` or ``seconds``; a run that has ended keeps its last value.
        band: two quantiles, 0..1.
        ax: axes to draw in.

    Returns:
        The axes: a line and a band for each sampler, in the order of the table. Both axes of a gap are logarithmic; its
        zero lies at the bottom.

    Raises:
        ConfigError: a column that is not there, no row; matplotlib is missing.

    >>> rows = [{"sampler": "random", "seed": s, "trial": t, "gap": 1 / (t + s)} for s in (0, 1, 2) for t in (1, 2)]
    >>> regret(rows).lines[0].get_ydata().tolist()
    [0.5, 0.3333333333333333]
    """
    frame = frame_of(table, "regret")
    need_columns(frame, ("sampler", "seed", by, value), "regret")
    if not len(frame):
        raise ConfigError("regret: the table has no row")
    drawn = axes(ax, 6.4, 4.0)
    where = _places(frame, by)
    floor = _floor(frame[value].to_numpy(dtype=float)) if value == "gap" else None
    for place, name in enumerate(frame["sampler"].drop_duplicates()):
        curves = _curves(frame[frame["sampler"] == name], by, value, where)
        low, middle, high = _quantiles(
            curves if floor is None else np.maximum(curves, floor), (band[0], 0.5, band[1])
        )
        colour = PALETTE[place % len(PALETTE)]
        style: dict[str, Any] = {
            "drawstyle": "steps-post",
            "color": colour,
            "linestyle": DASHES[place % len(DASHES)],
        }
        drawn.plot(where, middle, linewidth=1.7, label=str(name), zorder=3, **style)
        drawn.fill_between(where, low, high, step="post", color=colour, alpha=0.15, linewidth=0, zorder=2)
    _axes(drawn, by, value, floor)
    return tidy(drawn)


def _axes(ax: Axes, by: str, value: str, floor: float | None) -> None:
    from matplotlib.ticker import LogFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:,g}")
    # Plain numbers between the powers of ten, where these are few.
    ax.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1, 0.4)))
    ax.set_xlabel("trials" if by == "trial" else "seconds" if by == "seconds" else label(by))
    name = f"best {label(value.removeprefix('best_'))} so far" if value.startswith("best_") else label(value)
    ax.set_ylabel(VALUES.get(value, name))
    if value == "gap":
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1, 0.4)))
    if floor is not None:
        ax.axhline(floor, color="black", linewidth=0.8, linestyle=":", zorder=1)
        ax.annotate(
            "nothing missing", (1.0, floor), xycoords=("axes fraction", "data"), xytext=(-2, 3),
            textcoords="offset points", ha="right", fontsize=8,
        )  # fmt: skip
    ax.legend(fontsize=8)


def _places(frame: pd.DataFrame, by: str) -> np.ndarray:
    values = frame[by].to_numpy(dtype=float)
    if by != "seconds":
        return np.unique(values)
    positive = values[values > 0]
    if not len(positive):
        raise ConfigError("regret: no row says after how many seconds it was")
    return np.geomspace(positive.min(), positive.max(), POINTS)


def _curves(frame: pd.DataFrame, by: str, value: str, where: np.ndarray) -> np.ndarray:
    """The value of each seed's run at each place: float [seeds, places], NaN before its first trial."""
    curves = []
    for _, run in frame.groupby("seed", sort=True):
        order = np.argsort(run[by].to_numpy(dtype=float), kind="stable")
        at, found = run[by].to_numpy(dtype=float)[order], run[value].to_numpy(dtype=float)[order]
        last = np.searchsorted(at, where * (1 + 1e-12), side="right") - 1
        curves.append(np.where(last >= 0, found[np.maximum(last, 0)], np.nan))
    return np.array(curves)


def _quantiles(curves: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    """Quantiles where every seed has a value; NaN elsewhere."""
    whole = ~np.isnan(curves).any(axis=0)
    found = []
    for share in shares:
        line = np.full(curves.shape[1], np.nan)
        if whole.any():
            line[whole] = np.quantile(curves[:, whole], share, axis=0)
        found.append(line)
    return found


def _floor(gaps: np.ndarray) -> float | None:
    """Where zero is drawn on a logarithmic axis: half of the smallest gap; None where no gap is zero."""
    positive = gaps[np.isfinite(gaps) & (gaps > 0.0)]
    if (gaps == 0.0).any():
        return float(positive.min()) / 2 if len(positive) else 1e-6
    return None
