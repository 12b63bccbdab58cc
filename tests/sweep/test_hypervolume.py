"""Hypervolumes against Optuna's, curves against one volume a row, distances against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chop.search.hypervolume import (
    distance_to_front,
    front_points_found,
    hypervolume,
    hypervolume_curve,
    reference_point,
)

KINDS = ["maximize", "minimize", "maximize", "minimize"]


def points(rows: int, objectives: int, ties: bool) -> np.ndarray:
    rng = np.random.default_rng((rows, objectives, ties))
    if ties:
        return rng.integers(0, 5, size=(rows, objectives)).astype(np.float64)
    return rng.normal(size=(rows, objectives))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 6, 60])
def test_volume_and_curve_agree_with_optuna(rows: int, objectives: int, ties: bool) -> None:
    from optuna._hypervolume import compute_hypervolume

    values, directions = points(rows, objectives, ties), KINDS[:objectives]
    signs = np.array([-1.0 if way == "maximize" else 1.0 for way in directions])
    reference = (4.5 if ties else 1.0) * signs
    costs = values * signs
    better = costs[(costs < reference * signs).all(axis=1)]
    expected = compute_hypervolume(better, reference * signs) if len(better) else 0.0
    assert hypervolume(values, directions, reference) == pytest.approx(expected, rel=1e-12)
    one_by_one = [hypervolume(values[: i + 1], directions, reference) for i in range(rows)]
    np.testing.assert_allclose(hypervolume_curve(values, directions, reference), one_by_one, rtol=1e-9)


def test_rows_with_nan_or_beyond_the_reference_count_for_nothing() -> None:
    values = np.array([[0.5, 4.0], [np.nan, 1.0], [0.9, np.inf], [-1.0, 1.0], [0.8, 20.0]])
    reference = np.array([0.0, 10.0])
    ways = KINDS[:2]
    assert hypervolume(values, ways, reference) == 3.0
    assert hypervolume_curve(values, ways, reference).tolist() == [3.0] * 5
    assert hypervolume(values[1:], ways, reference) == 0.0
    assert hypervolume(values[:0], ways, reference) == 0.0


def test_reference_is_beyond_the_worst_of_each_objective() -> None:
    values = np.array([[0.5, 4.0], [1.0, 8.0], [np.nan, 100.0]])
    np.testing.assert_allclose(reference_point(values, KINDS[:2]), [0.45, 8.4])
    assert reference_point(np.array([[2.0, 3.0]]), KINDS[:2]) == pytest.approx([1.8, 3.3])
    with pytest.raises(ValueError, match="no row without NaN"):
        reference_point(values[2:], KINDS[:2])


def test_distance_to_front_is_the_mean_over_its_points() -> None:
    values, front = points(40, 2, False), points(7, 2, False) + np.array([3.0, -3.0])
    span = np.ptp(front, axis=0)
    expected = np.mean([
        min(math.hypot(max(p[0] - v[0], 0) / span[0], max(v[1] - p[1], 0) / span[1]) for v in values)
        for p in front
    ])  # fmt: skip
    assert distance_to_front(values, front, KINDS[:2]) == pytest.approx(expected)
    assert distance_to_front(np.vstack([values, front]), front, KINDS[:2]) == 0.0
    assert distance_to_front(np.full((2, 2), np.nan), front, KINDS[:2]) == math.inf


def test_found_points_are_counted_once() -> None:
    front = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])
    assert front_points_found(np.vstack([front, front]), front) == 2
    assert front_points_found(np.array([[1.0, np.nextafter(2.0, 3.0)]]), front) == 0


def test_shapes_and_directions_are_checked() -> None:
    with pytest.raises(ValueError, match=r"must have the shape \[rows, 2\]"):
        hypervolume(np.zeros((3, 3)), KINDS[:2], np.zeros(2))
    with pytest.raises(ValueError, match=r"must have the shape \[rows, 2\]"):
        hypervolume_curve(np.zeros((3, 2)), KINDS[:2], np.zeros(3))
    with pytest.raises(ValueError, match="maximize or minimize"):
        hypervolume(np.zeros((3, 1)), ["up"], np.zeros(1))
