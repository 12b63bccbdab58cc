"""How near a set of results is to the true front: hypervolume, distance and points found, all exact.

Sources: Zitzler and Thiele, "Multiobjective evolutionary algorithms: a comparative case study" (1999) for the
hypervolume; While et al., "A fast way of calculating exact hypervolumes" (2012) for more than two objectives; Ishibuchi
et al., "Modified distance calculation in generational distance and inverted generational distance" (2015).

Rows with a NaN or an infinity count as results that are not there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from chop.search.pareto import minimised, pareto_front

MARGIN = 0.1


def hypervolume(values: np.ndarray, directions: Sequence[str], reference: np.ndarray) -> float:
    """Return the volume of all that is dominated by a row and better than ``reference`` in every objective.

    Args:
        values: numbers, shape [rows, objectives].
        directions: "maximize" or "minimize" for each column.
        reference: shape [objectives], in the units of ``values``; rows that are not better count for nothing.

    Raises:
        ValueError: another shape or direction.

    >>> hypervolume(np.array([[0.5, 4.0], [1.0, 8.0], [0.4, 6.0]]), ["maximize", "minimize"], np.array([0.0, 10.0]))
    4.0
    """
    return _volume(*_gains(values, directions, reference))


def hypervolume_curve(values: np.ndarray, directions: Sequence[str], reference: np.ndarray) -> np.ndarray:
    """Return the hypervolume of the first 1, 2, … rows, float64 [rows]: how a study came nearer, trial by trial.

    Args and errors: see :func:`hypervolume`.

    >>> hypervolume_curve(np.array([[3.0], [5.0], [1.0], [2.0]]), ["minimize"], np.array([4.0])).tolist()
    [1.0, 1.0, 3.0, 3.0]
    """
    gains, keep = _gains(values, directions, reference)
    curve = np.zeros(len(values))
    if gains.shape[1] == 2:
        stairs = _Stairs()
        curve[keep] = [stairs.add(x, y) for x, y in gains[keep].tolist()]
    else:
        front = gains[:0]
        total, volumes = 0.0, []
        for gain in gains[keep]:
            if not (front >= gain).all(axis=1).any():
                total += _own_volume(gain, front)
                front = np.vstack([front[~(front <= gain).all(axis=1)], gain])
            volumes.append(total)
        curve[keep] = volumes
    return np.maximum.accumulate(curve)


def reference_point(values: np.ndarray, directions: Sequence[str], margin: float = MARGIN) -> np.ndarray:
    """Return a reference for :func:`hypervolume`: the worst of each objective, and a tenth of its range beyond.

    Beyond, so that the ends of a front count for something. Give it all results of a space (of a sweep, or of all
    samplers that are compared): comparable volumes have one reference.

    Raises:
        ValueError: no row without NaN; another shape or direction.

    >>> reference_point(np.array([[1.0, 8.0], [0.5, 4.0]]), ["maximize", "minimize"])
    array([0.45, 8.4 ])
    """
    costs = _finite(minimised(_checked(values, directions), directions))
    if len(costs) == 0:
        raise ValueError("reference_point: there is no row without NaN")
    worst, span = costs.max(axis=0), np.ptp(costs, axis=0)
    beyond = worst + margin * np.where(span > 0, span, np.maximum(np.abs(worst), 1.0))
    return minimised(beyond[None], directions)[0]


def distance_to_front(values: np.ndarray, front: np.ndarray, directions: Sequence[str]) -> float:
    """Return how far the rows stop from the true front: the mean, over its points, of the distance to the nearest row.

    Each objective is measured in ranges of the front, and counts only where the row is worse than the point (the
    modified inverted generational distance, IGD+). 0 where every point of the front was found; infinite without rows.

    Args:
        values: shape [rows, objectives].
        front: shape [points, objectives], at least one point.
        directions: "maximize" or "minimize" for each column.

    Raises:
        ValueError: another shape or direction, or no front.

    >>> front = np.array([[1.0, 8.0], [0.5, 4.0]])
    >>> distance_to_front(front[:1], front, ["maximize", "minimize"])
    0.5
    """
    points = minimised(_checked(front, directions), directions)
    costs = _finite(minimised(_checked(values, directions), directions))
    if len(points) == 0:
        raise ValueError("distance_to_front: the front has no point")
    if len(costs) == 0:
        return float("inf")
    span = np.ptp(points, axis=0)
    span = np.where(span > 0, span, 1.0)
    nearest = [np.sqrt((np.maximum(costs - p, 0.0) / span) ** 2 @ np.ones(len(p))).min() for p in points]
    return float(np.mean(nearest))


def front_points_found(values: np.ndarray, front: np.ndarray) -> int:
    """Return how many distinct points of ``front`` are among the rows, to the last bit.

    Args:
        values: shape [rows, objectives].
        front: shape [points, objectives].

    >>> front_points_found(np.array([[1.0, 8.0], [0.0, 3.0]]), np.array([[1.0, 8.0], [0.5, 4.0], [1.0, 8.0]]))
    1
    """
    return len({tuple(row) for row in values.tolist()} & {tuple(row) for row in front.tolist()})


def _checked(values: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    if values.ndim != 2 or values.shape[1] != len(directions):
        raise ValueError(
            f"hypervolume: values must have the shape [rows, {len(directions)}], got {values.shape}"
        )
    return values


def _finite(costs: np.ndarray) -> np.ndarray:
    return costs[np.isfinite(costs).all(axis=1)]


def _gains(
    values: np.ndarray, directions: Sequence[str], reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How much better than the reference each row is, and which rows are better in every objective."""
    point = np.asarray(reference, dtype=np.float64).reshape(1, -1)
    gains = minimised(_checked(point, directions), directions) - minimised(
        _checked(values, directions), directions
    )
    return gains, np.isfinite(gains).all(axis=1) & (gains > 0).all(axis=1)


def _volume(gains: np.ndarray, keep: np.ndarray) -> float:
    points = gains[keep]
    if len(points) == 0:
        return 0.0
    points = np.unique(points[pareto_front(points, ["maximize"] * points.shape[1])], axis=0)
    return _union(points)


def _union(points: np.ndarray) -> float:
    """Volume of the boxes from the origin to each of some points, none of which dominates another."""
    if points.shape[1] == 1:
        return float(points.max(initial=0.0))
    order = points[np.argsort(-points[:, 0], kind="stable")]
    if points.shape[1] == 2:
        return float(order[:, 0] @ np.diff(order[:, 1], prepend=0.0))
    return float(sum(_own_volume(point, order[:i]) for i, point in enumerate(order)))


def _own_volume(point: np.ndarray, others: np.ndarray) -> float:
    """Volume of the box of ``point`` that no box of the others covers."""
    inside = np.minimum(others, point)
    inside = (
        np.unique(inside[pareto_front(inside, ["maximize"] * len(point))], axis=0) if len(inside) else inside
    )
    return float(np.prod(point)) - _union(inside)


class _Stairs:
    """The front of two gains that grow, and the area below it."""

    def __init__(self) -> None:
        self.x: list[float] = []  # ascending
        self.y: list[float] = []  # descending
        self.area = 0.0

    def add(self, x: float, y: float) -> float:
        """Take a point in and return the area."""
        at = bisect_left(self.x, x)
        if at < len(self.x) and self.y[at] >= y:
            return self.area
        end = at + 1 if at < len(self.x) and self.x[at] == x else at
        first = at
        while first > 0 and self.y[first - 1] <= y:
            first -= 1
        left = self.x[first - 1] if first > 0 else 0.0
        # What was below the steps that go away, from the right neighbour's height up.
        floor = self.y[end] if end < len(self.y) else 0.0
        before, edge = 0.0, left
        for i in range(first, end):
            before += (self.x[i] - edge) * (self.y[i] - floor)
            edge = self.x[i]
        self.area += (x - left) * (y - floor) - before
        self.x[first:end], self.y[first:end] = [x], [y]
        return self.area
