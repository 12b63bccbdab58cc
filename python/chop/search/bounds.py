"""Bounds on the results of a sweep: who may be in the front, and whether pruning stays exact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

BOUNDS = {"min": "maximize", "max": "minimize"}  # bound -> the direction that leads away from it


class Bounds:
    """Constraints of a sweep.

    Args:
        given: metric or cost model -> ``min``, ``max`` or both.
        objectives: name -> direction.

    Attributes:
        further: what is bounded and no objective -> a direction, so that it can be a column too.
        allow_pruning: whether a configuration that is dominated by one that breaks a bound breaks one itself: then
            dropping it cannot change the front.

    Raises:
        ConfigError: no bound, a bound that is no number, ``min`` above ``max``.

    >>> bounds = Bounds({"accuracy": {"min": 0.7}}, {"accuracy": "maximize", "bops": "minimize"})
    >>> bounds.further, bounds.allow_pruning, bounds.kept({"accuracy": np.array([0.6, 0.7])}).tolist()
    ({}, True, [False, True])
    """

    def __init__(self, given: Mapping[str, Mapping[str, float]], objectives: Mapping[str, str]) -> None:
        for name, table in given.items():
            _check(name, table)
        self.given = {name: dict(table) for name, table in given.items()}
        self.further = {
            name: BOUNDS[next(iter(table))] for name, table in self.given.items() if name not in objectives
        }
        self.allow_pruning = all(
            objectives.get(name) == BOUNDS[bound] for name, table in self.given.items() for bound in table
        )

    def kept(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return bool [rows]: which rows keep every bound; a NaN keeps none."""
        kept = np.ones(len(next(iter(columns.values()))), dtype=bool)
        for name, table in self.given.items():
            values = columns[name]
            for bound, limit in table.items():
                kept &= values >= limit if bound == "min" else values <= limit
        return kept


def _check(name: str, table: Mapping[str, float]) -> None:
    where = f"sweep: constraints.{name}"
    if not isinstance(table, Mapping) or not table:
        raise ConfigError(f"{where} must be a table with min, max or both, got {table!r}")
    for bound, limit in table.items():
        if bound not in BOUNDS:
            raise ConfigError(f"{where}.{bound} is not known{did_you_mean(bound, BOUNDS)}; known: min, max")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or limit != limit:
            raise ConfigError(f"{where}.{bound} must be a number, got {limit!r}")
    if "min" in table and "max" in table and table["min"] > table["max"]:
        raise ConfigError(f"{where}: min must not be above max, got {table['min']:g} and {table['max']:g}")
