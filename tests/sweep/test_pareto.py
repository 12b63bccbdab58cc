"""The front in the core against the definition, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chop.search import pareto_front

NUMBERS = st.sampled_from([-1.0, -0.0, 0.0, 0.25, 0.5, 1.0, 2.0, float("inf"), float("-inf"), float("nan")])


def by_definition(values: np.ndarray, directions: list[str]) -> list[int]:
    signs = np.array([1.0 if way == "minimize" else -1.0 for way in directions])
    costs = values * signs
    front = []
    for i, row in enumerate(costs):
        if np.isnan(row).any():
            continue
        others = costs[~np.isnan(costs).any(axis=1)]
        if not ((others <= row).all(axis=1) & (others < row).any(axis=1)).any():
            front.append(i)
    return front


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(1, 4))
def test_front_is_that_of_the_definition(data: st.DataObject, objectives: int) -> None:
    rows = data.draw(st.lists(st.lists(NUMBERS, min_size=objectives, max_size=objectives), max_size=30))
    ways = st.sampled_from(["maximize", "minimize"])
    directions = data.draw(st.lists(ways, min_size=objectives, max_size=objectives))
    values = np.array(rows, dtype=np.float64).reshape(len(rows), objectives)
    assert pareto_front(values, directions).tolist() == by_definition(values, directions)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("levels", [3, 50, 10**9])
def test_front_of_many(objectives: int, levels: int) -> None:
    values = np.random.default_rng(objectives).integers(0, levels, (1500, objectives)) / 7
    directions = ["minimize", "maximize", "minimize", "maximize"][:objectives]
    assert pareto_front(values, directions).tolist() == by_definition(values, directions)


def test_equal_rows_are_in_the_front_together() -> None:
    values = np.array([[1.0, 2.0, 0.0], [1.0, 2.0, -0.0], [2.0, 2.0, 0.0]])
    assert pareto_front(values, ["minimize"] * 3).tolist() == [0, 1]


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        pareto_front(np.zeros(3), ["minimize"])
    with pytest.raises(ValueError, match="maximize or minimize"):
        pareto_front(np.zeros((3, 1)), ["best"])
    with pytest.raises(ValueError, match="at least one"):
        pareto_front(np.zeros((3, 0)), [])
