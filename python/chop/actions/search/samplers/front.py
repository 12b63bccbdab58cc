"""Which configurations of a sweep are trained: its front and what lies near, then neighbours of the best of those."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chop.actions.search.constraints import is_feasible
from chop.search import pareto_front
from chop.search.pareto import minimised

ROUNDS = 8  # of neighbours, that half of the trials is divided into
ROWS_AT_ONCE = 4096


def depths(costs: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Return how far each row lies behind a front: what must be taken off all its costs before nothing dominates it.

    The unit is the extent of the front in each objective. What the front holds has 0, NaN has infinity.

    Args:
        costs: smaller is better, shape [rows, objectives].
        front: positions of the front's rows.

    >>> depths(np.array([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0], [2.0, 2.0]]), np.array([0, 1, 2])).tolist()
    [0.0, 0.0, 0.0, 0.5]
    """
    best = costs[front]
    extent = best.max(axis=0) - best.min(axis=0)
    scale = np.where(extent > 0, extent, 1.0)
    found = np.full(len(costs), math.inf)
    for first in range(0, len(costs), ROWS_AT_ONCE):
        part = costs[first : first + ROWS_AT_ONCE]
        behind = ((part[:, None, :] - best[None]) / scale).min(axis=2).max(axis=1)
        found[first : first + ROWS_AT_ONCE] = np.where(np.isnan(behind), math.inf, np.maximum(behind, 0.0))
    return found


class Grid:
    """Configurations by number, as a sweep numbers them: the last parameter changes first.

    Args:
        lengths: parameter -> number of choices.
        numbers: those that the sweep measured, ascending; others mean the same as one of them.
    """

    def __init__(self, lengths: Mapping[str, int], numbers: np.ndarray) -> None:
        self._lengths, self._numbers = lengths, numbers
        weights, weight = {}, 1
        for name, length in reversed(list(lengths.items())):
            weights[name], weight = weight, weight * length
        self._weights = weights

    def indexes(self, row: int) -> dict[str, int]:
        """Return the choices of the configuration in a row, of all parameters."""
        number = int(self._numbers[row])
        return {name: number // self._weights[name] % length for name, length in self._lengths.items()}

    def neighbours(self, row: int) -> list[int]:
        """Return the rows that differ in one choice."""
        number, found = int(self._numbers[row]), []
        for name, index in self.indexes(row).items():
            weight = self._weights[name]
            found += [
                number + (other - index) * weight for other in range(self._lengths[name]) if other != index
            ]
        places = np.searchsorted(self._numbers, found)
        last = len(self._numbers) - 1
        return [int(p) for p, n in zip(places, found, strict=True) if p <= last and self._numbers[p] == n]


class FrontSampler:
    """Proposes points for trials that train; see ``batches`` for ``ask`` and ``tell``.

    First come the front of the sweep and what lies at most ``margin`` behind it, at most half of the trials; then
    rounds of configurations that differ in one choice from the front of what was trained so far. A round depends on
    the trials before it and on nothing else, so the study is the same for any number of threads and after any stop.

    Args:
        grid: the configurations.
        values: of the sweep, NaN where one is out of question, shape [rows, objectives].
        directions: "maximize" or "minimize" for each of them.
        most: trials in all.
        margin: see :func:`depths`.
        names: of the parameters with several choices, in the order of a point.
    """

    def __init__(
        self,
        grid: Grid,
        values: np.ndarray,
        directions: Sequence[str],
        most: int,
        margin: float,
        names: Sequence[str],
    ) -> None:
        self._grid, self._names, self._directions = grid, list(names), list(directions)
        self._most, self._told = most, list[Any]()
        front = pareto_front(values, directions)
        self._depth = (
            depths(minimised(values, directions), front) if len(front) else np.full(len(values), math.inf)
        )
        self._rows: list[int] = self._first(front, margin)
        self._proposed = set(self._rows)

    def ask(self, number: int, most: int, directions: Any = None) -> list[list[int]]:
        """Return the points of trials ``number``, …, none of the round after; nothing where no neighbour is left."""
        while number >= len(self._rows):
            if not self._next_round():
                return []
        end = min(number + most, len(self._rows), self._most)
        return [self._point(row) for row in self._rows[number:end]]

    def tell(self, trial: Any, directions: Any = None) -> None:
        """Take the next finished trial, in order."""
        self._told.append(trial)

    def _first(self, front: np.ndarray, margin: float) -> list[int]:
        room = max(1, self._most // 2)
        if len(front) > room:
            front = front[np.linspace(0, len(front) - 1, room).astype(np.int64)]
        order = np.argsort(self._depth, kind="stable")
        there = set(front.tolist())
        near = [int(row) for row in order[self._depth[order] <= margin] if int(row) not in there]
        return [*(int(row) for row in front), *near[: room - len(front)]]

    def _next_round(self) -> bool:
        done = self._told[: len(self._rows)]
        if len(done) < len(self._rows):
            return False
        queues = [self._fresh_neighbours(self._rows[place]) for place in self._best(done)]
        found: list[int] = []
        size = math.ceil(self._most / 2 / ROUNDS)
        for turn in range(max(map(len, queues), default=0)):
            for queue in queues:
                if turn < len(queue) and queue[turn] not in self._proposed and len(found) < size:
                    found.append(queue[turn])
                    self._proposed.add(queue[turn])
        self._rows += found
        return bool(found)

    def _best(self, trials: Sequence[Any]) -> list[int]:
        """Places of the trials in the front of what was trained; of what keeps the constraints, if anything does."""
        usable = [i for i, trial in enumerate(trials) if trial.values is not None]
        kept = [i for i in usable if is_feasible(trials[i])] or usable
        if not kept:
            return []
        values = np.array([trials[i].values for i in kept], dtype=np.float64)
        return [kept[i] for i in pareto_front(values, self._directions)]

    def _fresh_neighbours(self, row: int) -> list[int]:
        near = [other for other in self._grid.neighbours(row) if other not in self._proposed]
        return sorted(
            (other for other in near if self._depth[other] < math.inf), key=lambda o: (self._depth[o], o)
        )

    def _point(self, row: int) -> list[int]:
        indexes = self._grid.indexes(row)
        return [indexes[name] for name in self._names]
