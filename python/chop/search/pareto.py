"""The exact Pareto front of any number of results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from chop import _core


def pareto_front(values: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Return the positions, ascending, of the rows that no other row dominates.

    A row dominates another if it is nowhere worse and somewhere better. Equal rows are in the front together; a row
    with a NaN never is.

    Args:
        values: numbers, shape [rows, objectives].
        directions: "maximize" or "minimize" for each column.

    Raises:
        ValueError: another shape or direction.

    >>> pareto_front(np.array([[1.0, 8.0], [0.5, 4.0], [0.4, 6.0], [0.5, 4.0]]), ["maximize", "minimize"])
    array([0, 1, 3])
    """
    if values.ndim != 2 or values.shape[1] != len(directions):
        raise ValueError(
            f"pareto_front: values must have the shape [rows, {len(directions)}], got {values.shape}"
        )
    return np.array(_core.pareto_front(torch.from_numpy(minimised(values, directions))), dtype=np.int64)


def minimised(values: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Return float64 values of which the smaller are the better."""
    if unknown := [d for d in directions if d not in ("maximize", "minimize")]:
        raise ValueError(f"a direction must be maximize or minimize, got {unknown[0]!r}")
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    return np.ascontiguousarray(np.asarray(values, dtype=np.float64) * signs)
