"""The front of a sweep, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chop.search.pareto import pareto_front

if TYPE_CHECKING:
    from chop.search.bounds import Bounds
    from chop.search.objectives import Objectives
    from chop.search.parts import Part


class Front:
    """The front of all parts so far, of what keeps the bounds."""

    def __init__(self, objectives: Objectives, bounds: Bounds) -> None:
        self.names, self.bounds = objectives.names, bounds
        self.count = len(objectives.names) - len(
            bounds.further
        )  # columns to optimise; the others are bounded only
        self.directions = objectives.directions[: self.count]
        self.positions = np.zeros(0, dtype=np.int64)
        self.values = np.zeros((0, len(objectives.names)))

    def add(self, first: int, part: Part) -> None:
        """Take in the part whose first configuration is at that position."""
        kept = np.flatnonzero(
            (part[1] == 0) & self.bounds.kept(dict(zip(self.names, part[0].T, strict=True)))
        )
        positions = np.concatenate([self.positions, first + kept])
        values = np.concatenate([self.values, part[0][kept]])
        front = pareto_front(values[:, : self.count], self.directions)
        self.positions, self.values = positions[front], values[front]
