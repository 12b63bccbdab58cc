"""How a study came nearer to the optimum, trial by trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.actions.search.constraints import is_feasible
from chop.search.hypervolume import hypervolume_curve
from chop.search.pareto import minimised

if TYPE_CHECKING:
    import pandas as pd

    from chop.actions.search.comparison.truth import Truth

BLOCK = 256  # trials whose distances to the front are in memory at once


def values_of(study: Any) -> np.ndarray:
    """Return the values of all trials in order, float64 [trials, objectives]: NaN for one that failed.

    A trial that breaks a constraint has failed too.
    """
    nothing = [np.nan] * len(study.directions)
    return np.array(
        [
            trial.values if trial.values is not None and is_feasible(trial) else nothing
            for trial in study.get_trials(deepcopy=False)
        ],
        dtype=np.float64,
    ).reshape(-1, len(nothing))


def seconds_of(study: Any) -> np.ndarray:
    """Return when each trial ended, in seconds since the first one began."""
    trials = study.get_trials(deepcopy=False)
    began = min(trial.datetime_start for trial in trials)
    return np.array([(trial.datetime_complete - began).total_seconds() for trial in trials])


def curve(values: np.ndarray, names: Sequence[str], truth: Truth) -> dict[str, np.ndarray]:
    """Return the columns of a run, a row a trial.

    Args:
        values: as :func:`values_of` gives them.
        names: of the objectives.
        truth: what the run is measured against.

    Returns:
        ``trial`` from 1; each objective; ``best_<objective>`` so far; ``hypervolume``; ``gap``: the share of the true
        hypervolume that is missing, 0..1; ``distance``: to the true front, in its ranges (IGD+), or of one objective
        to the optimum, in its own units.
    """
    volume = hypervolume_curve(values, truth.directions, truth.reference)
    found: dict[str, np.ndarray] = {"trial": np.arange(1, len(values) + 1)}
    found |= {name: values[:, k] for k, name in enumerate(names)}
    for k, name in enumerate(names):
        best = np.fmax if truth.directions[k] == "maximize" else np.fmin
        found[f"best_{name}"] = best.accumulate(values[:, k])
    # Rounding may leave a little less than nothing.
    gap = np.maximum(0.0, 1.0 - volume / truth.volume) if truth.volume > 0 else np.zeros(len(values))
    gap[gap < 1e-12] = 0.0
    return {
        **found,
        "hypervolume": volume,
        "gap": gap,
        "distance": np.fromiter(_distances(values, truth), float),
    }


def _distances(values: np.ndarray, truth: Truth) -> Iterator[float]:
    """IGD+ of the trials so far, as ``chop.search.hypervolume.distance_to_front`` has it for all of them."""
    points = minimised(truth.front, truth.directions)
    costs = minimised(values, truth.directions)
    span = np.ptp(points, axis=0)
    span = np.where(span > 0, span, 1.0)
    nearest = np.full(len(points), np.inf)
    for first in range(0, len(costs), BLOCK):
        worse = np.maximum(costs[first : first + BLOCK, None] - points, 0.0) / span
        away = np.sqrt((worse**2).sum(axis=2))
        away[np.isnan(away)] = np.inf
        for row in away:
            nearest = np.minimum(nearest, row)
            yield float(nearest.mean())


def summary(frame: pd.DataFrame, trials: int) -> pd.DataFrame:
    """Return a row for each sampler: medians and quartiles over its seeds.

    Args:
        frame: the rows of all runs.
        trials: that each run was given; a sampler that had tried the whole space before keeps its last row.

    Returns:
        Columns: ``sampler``, ``seeds``, ``trials`` (most of a run); ``gap_quarter``, ``gap_half``, ``gap_all`` with
        ``_low`` and ``_high``, the quartiles; ``distance_all``; ``within_1_percent``, the median trial after which the
        gap is at most 1 % (infinite where half of the runs do not come there), and ``reached``, how many do;
        ``seconds``, the median of a run.
    """
    import pandas as pd

    marks = {"quarter": max(1, trials // 4), "half": max(1, trials // 2), "all": trials}
    rows = []
    for name, runs in frame.groupby("sampler", sort=False):
        seeds = [run.sort_values("trial") for _, run in runs.groupby("seed")]
        row: dict[str, Any] = {"sampler": name, "seeds": len(seeds), "trials": int(runs["trial"].max())}
        for mark, count in marks.items():
            gaps = [run[run["trial"] <= count]["gap"].iloc[-1] for run in seeds]
            row[f"gap_{mark}"] = float(np.median(gaps))
            row[f"gap_{mark}_low"], row[f"gap_{mark}_high"] = np.quantile(gaps, [0.25, 0.75]).tolist()
        row["distance_all"] = float(np.median([run["distance"].iloc[-1] for run in seeds]))
        near = [run[run["gap"] <= 0.01]["trial"] for run in seeds]
        first = [float(trials_near.iloc[0]) if len(trials_near) else np.inf for trials_near in near]
        # Of an even number of runs the upper one: a mean with infinity would be none.
        row["within_1_percent"] = float(np.quantile(first, 0.5, method="higher"))
        row["reached"] = int(np.isfinite(first).sum())
        row["seconds"] = float(np.median([run["seconds"].iloc[-1] for run in seeds]))
        rows.append(row)
    return pd.DataFrame(rows)
