"""Pictures of results: what is drawn, not only that something is."""

from __future__ import annotations

import numpy as np
import optuna
import pandas as pd
import pytest

from chop.actions.search.metrics import METRICS, SearchMetric
from chop.plotting import best_so_far, marginal_effects, parallel_coordinates, pareto_front
from chop.plotting.pareto import front_of
from chop.plotting.tables import direction_of, points_of_study
from chop.tools.errors import ConfigError

ROWS = [
    {"accuracy": 0.50, "average_bitwidth": 4.0, "width": 4},
    {"accuracy": 0.70, "average_bitwidth": 8.0, "width": 8},
    {"accuracy": 0.40, "average_bitwidth": 6.0, "width": 4},
    {"accuracy": float("nan"), "average_bitwidth": 2.0, "width": 2},
    {"accuracy": 0.65, "average_bitwidth": 8.0, "width": 8},
]


def drawn_points(ax) -> tuple[set, set]:
    """Dominated points and the front."""
    return tuple({tuple(p) for p in collection.get_offsets().tolist()} for collection in ax.collections[:2])


def test_front_has_the_points_that_no_other_dominates() -> None:
    ax = pareto_front(ROWS, x="average_bitwidth", y="accuracy")
    rest, front = drawn_points(ax)
    assert front == {(4.0, 0.5), (8.0, 0.7)} and rest == {(6.0, 0.4), (8.0, 0.65)}
    assert ax.get_xlabel() == "average bit width [bit]" and ax.get_ylabel() == "accuracy (macro)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["dominated (2)", "front (2)"]


def test_every_metric_of_a_search_has_its_direction() -> None:
    ours = {name: m for name, m in METRICS.items() if m.__module__ == SearchMetric.__module__}
    assert "luts_estimate" in ours
    for name, metric in ours.items():
        assert direction_of(name, {}) == metric.direction, name
    ax = pareto_front({"luts": [100, 200], "accuracy": [0.5, 0.4]}, x="luts", y="accuracy")
    assert drawn_points(ax) == ({(200.0, 0.4)}, {(100.0, 0.5)}) and ax.get_xlabel() == "LUTs"


@pytest.mark.parametrize(
    ("ways", "step"), [(("minimize", "maximize"), "steps-post"), (("maximize", "minimize"), "steps-pre")]
)
def test_the_limit_goes_where_no_point_can_be(ways: tuple[str, str], step: str) -> None:
    """Behind the line, seen from the good corner, lies every point."""
    values = np.random.default_rng(0).random((40, 2))
    ax = pareto_front(
        pd.DataFrame(values, columns=["a", "b"]), "a", "b", directions=dict(zip("ab", ways, strict=True))
    )
    line = ax.lines[0]
    assert line.get_drawstyle() == step
    xs, ys = line.get_xdata(), line.get_ydata()
    for x, y in values:
        if ways[0] == "minimize":
            assert y <= ys[xs <= x].max() if (xs <= x).any() else False
        else:
            assert y >= ys[xs >= x].min() if (xs >= x).any() else False


def test_front_given_as_rows_marks_or_positions() -> None:
    """Marks and positions count the rows as given, also behind one that has no result."""
    marks = pareto_front(ROWS, "average_bitwidth", "accuracy", front=[True, False, False, False, True])
    assert drawn_points(marks) == ({(8.0, 0.7), (6.0, 0.4)}, {(4.0, 0.5), (8.0, 0.65)})
    places = pareto_front(ROWS, "average_bitwidth", "accuracy", front=[4, 3])
    assert drawn_points(places)[1] == {(8.0, 0.65)}
    given = [{"average_bitwidth": 5.0, "accuracy": 1.0}, ROWS[0]]
    rows = pareto_front(ROWS, "average_bitwidth", "accuracy", front=given)
    assert drawn_points(rows) == ({(8.0, 0.7), (6.0, 0.4), (8.0, 0.65)}, {(5.0, 1.0), (4.0, 0.5)})
    with pytest.raises(ConfigError, match="front has 4 marks for 5 points"):
        pareto_front(ROWS, "average_bitwidth", "accuracy", front=[True] * 4)


def test_many_points_go_into_an_svg_as_one_image() -> None:
    values = np.random.default_rng(1).random((5000, 2))
    ax = pareto_front(
        {"a": values[:, 0], "b": values[:, 1]}, "a", "b", directions={"a": "minimize", "b": "minimize"}
    )
    assert ax.collections[0].get_rasterized() and not ax.collections[1].get_rasterized()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"x": "acuracy", "y": "accuracy"}, "no column 'acuracy' (did you mean 'accuracy'?)"),
        ({}, "give x and y"),
        ({"x": "width", "y": "accuracy"}, "is more width better or worse?"),
    ],
)
def test_front_refuses(arguments: dict, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        pareto_front(ROWS, **arguments)
    assert said in str(refused.value)


def study_of(values: list[tuple[float, float]]) -> optuna.Study:
    """A study as a search leaves it: indexes, configs, scaled values."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    for k, (accuracy, bits) in enumerate(values):
        config = {"fc": {"config": {"weight_width": [4, 6, 8][k % 3]}}}
        study.add_trial(
            optuna.trial.create_trial(
                params={"fc/config/weight_width": k % 3},
                distributions={"fc/config/weight_width": optuna.distributions.IntDistribution(0, 2)},
                values=[accuracy, 0.2 * bits],
                user_attrs={
                    "software_metrics": {"accuracy": accuracy},
                    "hardware_metrics": {"average_bitwidth": bits},
                    "scaled_metrics": {"accuracy": accuracy, "average_bitwidth": 0.2 * bits},
                    "sampled_config": config,
                },
            )
        )
    return study


def test_a_study_is_drawn_as_measured() -> None:
    ax = pareto_front(study_of([(0.5, 4.0), (0.7, 8.0), (0.4, 6.0)]))
    assert drawn_points(ax) == ({(6.0, 0.4)}, {(4.0, 0.5), (8.0, 0.7)})


def bounded_study() -> optuna.Study:
    """The study of three trials, of which the one with the best accuracy breaks a constraint."""
    study = study_of([(0.5, 4.0), (0.4, 6.0)])
    best = study_of([(0.7, 8.0)]).trials[0]
    best.set_constraint("average_bitwidth.max", 1.0)
    study.add_trial(best)
    return study


def test_what_breaks_a_constraint_is_in_no_front() -> None:
    ax = pareto_front(bounded_study())
    assert drawn_points(ax) == ({(6.0, 0.4)}, {(4.0, 0.5)})
    assert ax.collections[2].get_offsets().tolist() == [[8.0, 0.7]]
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["dominated (1)", "front (1)", "breaks a constraint (1)"]
    rest, front = (lines.get_segments() for lines in parallel_coordinates(bounded_study()).collections)
    assert len(rest) == 2 and [line[:, 1].tolist() for line in front] == [[0.0, pytest.approx(1 / 3), 0.0]]


@pytest.mark.parametrize(
    ("direction", "best"), [("maximize", [3.0, 3.0, 3.0]), ("minimize", [3.0, 3.0, 1.0])]
)
def test_the_best_so_far_keeps_the_constraints(direction: str, best: list[float]) -> None:
    study = optuna.create_study(direction=direction)
    for value, excess in ((3.0, 0.0), (9.0 if direction == "maximize" else 0.0, 0.5), (1.0, -1.0)):
        trial = optuna.trial.create_trial(value=value)
        trial.set_constraint("x.max", excess)
        study.add_trial(trial)
    assert best_so_far(points_of_study(study)).lines[0].get_ydata().tolist() == best


def test_parallel_coordinates_of_a_study() -> None:
    ax = parallel_coordinates(study_of([(0.5, 4.0), (0.7, 8.0), (0.4, 6.0)]))
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == ["fc/weight_width", "accuracy", "average_bitwidth"]
    rest, front = (collection.get_segments() for collection in ax.collections)
    assert len(rest) == 1 and len(front) == 2
    # Trial 2: the widest weights, the least accuracy, the bits in the middle.
    assert rest[0][:, 1].tolist() == [1.0, 0.0, 0.5]
    words = {text.get_text() for text in ax.texts}
    assert {"4", "6", "8", "0.4", "0.7"} <= words  # choices, not their indexes


def test_marginal_effects_sorts_by_influence() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"weak": rng.integers(0, 2, 400), "strong": rng.integers(0, 3, 400)})
    frame["loss"] = frame["strong"] * 1.0 + frame["weak"] * 0.5 + rng.normal(0, 0.01, 400)
    ax = marginal_effects(frame, "loss", ["weak", "strong"])
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0].startswith("strong (9") and names[1].startswith("weak (")
    means = frame.groupby("strong")["loss"].mean()
    assert np.allclose(ax.lines[0].get_xdata(), means)
    assert ax.lines[2].get_xdata()[0] == pytest.approx(frame["loss"].mean())


def test_front_of_agrees_with_a_plain_loop() -> None:
    values = np.random.default_rng(2).integers(0, 6, (60, 3)).astype(float)
    ways = ["maximize", "minimize", "maximize"]
    costs = values * [-1, 1, -1]
    plain = [k for k, c in enumerate(costs) if not any((d <= c).all() and (d < c).any() for d in costs)]
    assert front_of(values, ways).tolist() == plain


def test_a_number_with_many_values_is_looked_at_in_parts() -> None:
    x = np.linspace(0, 1, 400)
    ax = marginal_effects({"x": x, "loss": 2 * x}, "loss", ["x"])
    assert np.allclose(ax.lines[0].get_xdata(), [2 * part.mean() for part in np.split(x, 8)])
