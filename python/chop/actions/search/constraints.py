"""Bounds that a trial must keep: ``[search.strategy.constraints]`` with ``accuracy.min = 0.71`` and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from chop.actions.search.validation import StrictTable


class ConstraintTable(StrictTable):
    """``[search.strategy.constraints.<metric>]``: bounds on the metric as it is measured, before any scale."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ConstraintTable:
        if self.min is None and self.max is None:
            raise ValueError("a constraint needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not be above max, got {self.min:g} and {self.max:g}")
        return self


def excesses(constraints: Mapping[str, ConstraintTable], measured: Mapping[str, float]) -> dict[str, float]:
    """Return by how much each bound is broken; zero or less where it is kept (Optuna's convention).

    >>> excesses({"accuracy": ConstraintTable(min=0.75)}, {"accuracy": 0.5})
    {'accuracy.min': 0.25}
    """
    found = {}
    for name, table in constraints.items():
        value = measured[name]
        if table.min is not None:
            found[f"{name}.min"] = table.min - value
        if table.max is not None:
            found[f"{name}.max"] = value - table.max
    return found


def is_feasible(trial: Any) -> bool:
    """True where an Optuna trial keeps every constraint that was recorded for it."""
    return all(value <= 0 for value in trial.constraints.values())


def closest_text(trials: list[Any]) -> str:
    """Say which of the trials breaks its constraints least; empty where there is none.

    The least: fewest constraints broken, then the smallest sum of the parts by which they are.
    """
    broken = []
    for trial in trials:
        excess = {key: value for key, value in trial.constraints.items() if value > 0}
        if excess:
            broken.append((len(excess), sum(excess.values()), trial.number, excess))
    if not broken:
        return ""
    _, _, number, excess = min(broken, key=lambda entry: entry[:3])
    listed = " and ".join(f"{key} by {value:.3g}" for key, value in excess.items())
    return f"closest: trial {number}, which breaks {listed}"
