"""The pictures of a report, each drawn where there is something to draw."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chop import plotting
from chop.nn.quantizers.short_form import short_rules
from chop.plotting import style, tables
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from chop.actions.study_report.sources import Source

MOST_OBJECTIVES = 3  # of which each pair gets a front
FRONT = "front"  # id of the points of the front
MOST_EQUALS = 3  # trials that a point's words name
SAMPLE = 20_000  # results of a sweep for the effects of parameters


class Drawing(NamedTuple):
    """A picture.

    Attributes:
        name: of its files.
        title: above it.
        words: what is seen, a sentence or two.
        ax: its axes.
        hints: id of a collection of points -> a text for each of them.
    """

    name: str
    title: str
    words: str
    ax: Axes
    hints: Mapping[str, Sequence[str]] = MappingProxyType({})


def drawings(source: Source) -> list[Drawing]:
    """Return the front (of each pair of objectives), or the best value so far; coordinates; effects of parameters.

    Their files are copied into talks and papers, so each says itself which model and data it shows.
    """
    found: list[Drawing] = []
    for make in (_fronts, _progress, _coordinates, _effects):
        found.extend(_tried(make, source))
    for drawing in found:
        drawing.ax.set_title(source.heading, fontsize=10)
    return found


def _tried(make: Callable[[Source], Iterator[Drawing]], source: Source) -> Iterator[Drawing]:
    """A picture that has nothing to show is left out: one parameter, one objective, …"""
    try:
        yield from make(source)
    except ConfigError:
        style.need_matplotlib()


def _fronts(source: Source) -> Iterator[Drawing]:
    names = list(source.points.objectives)[:MOST_OBJECTIVES]
    for y, x in combinations(names, 2):
        several = len(names) > 2
        yield Drawing(
            f"front_{x}_{y}" if several else "front",
            f"Front: {_plain(y)} against {_plain(x)}" if several else "Front",
            "Each point is a configuration. Of those in colour no other is better in both; the line is the limit that "
            "they make."
            + (" Crosses break a constraint." if tables.FEASIBLE in source.points.frame else "")
            + (" With more objectives others may be on the whole front as well." if several else ""),
            *_front(source, x, y),
        )


def _front(source: Source, x: str, y: str) -> tuple[Axes, Mapping[str, Sequence[str]]]:
    """The picture, and for each point of the front what it is."""
    ax = plotting.pareto_front(source.points, x, y, floats=source.float_metrics)
    points: Any = ax.collections[1]
    points.set_gid(FRONT)
    return ax, {FRONT: [_hint(source, x, y, *values) for values in points.get_offsets().tolist()]}


def _hint(source: Source, x: str, y: str, x_value: float, y_value: float) -> str:
    lines = [f"{_plain(y)} {y_value:.6g}, {_plain(x)} {x_value:.6g}"]
    frame = source.table.frame
    numbers = frame.loc[(frame[x] == x_value) & (frame[y] == y_value), "number"]
    for number in [int(each) for each in numbers][:MOST_EQUALS]:
        rules = short_rules(source.configs.get(number, {}).get("quantize", {}))
        words = ", ".join(f"{rule} {text}" for rule, text in rules.items() if not text.endswith("bypass"))
        lines.append(f"trial {number}: {words}" if words else f"trial {number}")
    if len(numbers) > MOST_EQUALS:
        lines.append(f"and {len(numbers) - MOST_EQUALS} more with the same values")
    return "\n".join(lines)


def _progress(source: Source) -> Iterator[Drawing]:
    if source.study is None or source.is_sweep:
        return  # what a sweep leaves has no order
    words = f"The {_plain(next(iter(source.table.objectives)))} of each trial, and the best so far."
    if tables.FEASIBLE in source.table.frame:
        words += " A trial that breaks a constraint is never the best."
    yield Drawing("trials", "Trials", words, plotting.best_so_far(source.table))


def _coordinates(source: Source) -> Iterator[Drawing]:
    words = (
        "Each line is a configuration; those of the front are in colour. Choices with one value are left out."
    )
    yield Drawing("parallel", "Parallel coordinates", words, plotting.parallel_coordinates(source.points))


def _effects(source: Source) -> Iterator[Drawing]:
    points = source.points
    if len(points.frame) > SAMPLE:
        rows = np.linspace(0, len(points.frame) - 1, SAMPLE).astype(np.int64)
        points = tables.Points(points.frame.iloc[rows], points.objectives, points.parameters)
    for name in list(points.objectives)[:MOST_OBJECTIVES]:
        words = (
            f"The mean {_plain(name)} of all results with each choice; the percentage is the share of the variance "
            "that the parameter explains by itself. A sampler does not try all choices equally: these "
            "are the true effects only of a whole space, without pruning."
        )
        yield Drawing(
            f"effects_{name}", f"Effects on {_plain(name)}", words, plotting.marginal_effects(points, name)
        )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def importances(source: Source) -> dict[str, dict[str, float]]:
    """Return goal -> parameter -> importance, 0..1, as Optuna's PED-ANOVA has it; nothing where it does not run.

    A goal is to be among the best tenth in one objective, or in the first ranks of all.

    Source: Watanabe et al., "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces"
    (IJCAI 2023).
    """
    if source.study is None:
        return {}
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    from chop.actions.search.strategies.quiet import quiet_optuna

    found: dict[str, dict[str, float]] = {}
    targets: dict[str, Any] = {
        name: _target(source.study, k) for k, name in enumerate(source.table.objectives)
    }
    if len(targets) > 1:
        targets = {"the front": None, **targets}
    with quiet_optuna(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that less is taken for better, which is known
        for name, target in targets.items():
            try:
                evaluator = PedAnovaImportanceEvaluator()
                found[name] = dict(get_param_importances(source.study, evaluator=evaluator, target=target))
            except (ValueError, RuntimeError, ZeroDivisionError):
                continue  # too few trials, or a parameter that has one value
    return found


def _target(study: Any, k: int) -> Callable[[Any], float]:
    """The value of a trial, turned round where more is better: the evaluator takes less for better."""
    sign = -1.0 if study.directions[k].name == "MAXIMIZE" else 1.0
    return lambda trial: sign * float(trial.values[k])
