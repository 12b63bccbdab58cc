"""What a comparison of samplers is measured against: the whole space where it can be swept, else the best seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.actions.search.strategies.exhaustive import (
    measured_directions,
    swept_bounds,
    swept_figure,
    swept_values,
)
from chop.search import pareto_front, sweep
from chop.search.hypervolume import hypervolume, reference_point
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.search import SweepReport

logger = get_logger(__name__)

# Configurations times rows; some minutes on one core.
MOST_WORK = 2e10
SAME = 1e-9


@dataclasses.dataclass(frozen=True)
class Truth:
    """The best that can be reached, in the values of the study's trials.

    Attributes:
        directions: "maximize" or "minimize" for each objective.
        front: float64 [points, objectives], each point once.
        reference: float64 [objectives]: where the hypervolume begins.
        volume: the hypervolume of the front.
        seconds: that the sweep took; None where the space was not swept.
        words: where this comes from, one sentence.
    """

    directions: tuple[str, ...]
    front: np.ndarray
    reference: np.ndarray
    volume: float
    seconds: float | None
    words: str

    @classmethod
    def of(
        cls, values: np.ndarray, directions: Sequence[str], words: str, seconds: float | None = None
    ) -> Truth:
        """The truth among all results: float64 [rows, objectives], of which one at least has no NaN."""
        found = values[np.isfinite(values).all(axis=1)]
        front = np.unique(found[pareto_front(found, directions)], axis=0)
        reference = reference_point(found, directions)
        return cls(
            tuple(directions), front, reference, hypervolume(front, directions, reference), seconds, words
        )


def swept(objective: Objective, directions: Sequence[str]) -> Truth | str:
    """Sweep the whole space.

    Args:
        objective: of the search.
        directions: of its values.

    Returns:
        The truth, or the reason why there is none.
    """
    context: Any = objective.context
    space: Any = objective.space
    reason = _why_not(objective)
    if reason is not None:
        return reason
    try:
        report = sweep(
            context.evaluator,
            space,
            measured_directions(objective),
            prune=False,
            threads=context.threads,
            constraints=swept_bounds(objective),
        )
    except (ConfigError, KeyError, ValueError) as error:
        return str(error)
    if not _agrees(objective, report):
        return "the sweep measures in other units than the search"
    if not report.feasible.any():
        return "no configuration keeps the constraints"
    words = f"all {report.configurations:,} configurations, swept in {report.seconds:.2f} s"
    values = swept_values(objective, report)[report.feasible]
    return Truth.of(values, directions, words, report.seconds)


def _why_not(objective: Objective) -> str | None:
    from chop.search import QuantizationSpace

    context, space = objective.context, objective.space
    trains = objective.own_models
    if not isinstance(space, QuantizationSpace) or trains or context.evaluator is None:
        return "each configuration is another model, which a sweep does not make"
    work = space.size * context.evaluator.rows
    if work > MOST_WORK:
        return f"the space has {space.size:,} configurations, too many on {context.evaluator.rows:,} rows"
    return None


def _agrees(objective: Objective, report: SweepReport) -> bool:
    """A cost may be told in other units (another batch): one configuration is measured as a trial does."""
    outcome = objective.fresh().measure(report.indexes(int(report.results["configuration"][0])), 0)
    measured = {**outcome.software, **outcome.hardware}
    names = {*objective.metrics, *objective.config.constraints}
    swept_ones = [swept_figure(objective, report, name)[0] for name in names]
    return np.allclose([measured[name] for name in names], swept_ones, rtol=SAME, atol=SAME, equal_nan=True)
