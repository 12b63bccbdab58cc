"""A trial: indexes -> config -> runners -> scaled metrics. Only the cache outlives a trial."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from chop.actions.search.metrics import METRICS, SearchMetric
from chop.actions.search.runners import HW_RUNNERS, SW_RUNNERS
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.context import SearchContext
    from chop.actions.search.schema import MetricTable, StrategyConfig
    from chop.actions.search.search_space import SearchSpace

logger = get_logger(__name__)

Measured = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a trial gives.

    Attributes:
        values: the objective values, in the order of the sorted metric names; one value where they are
            summed.
        software, hardware: metrics as measured.
        scaled: metric times scale, for the metrics of the config only, sorted by name.
        config: the sampled config.
        repeat_of: number of the earlier trial with the same config, whose figures these are; else None.
    """

    values: list[float]
    software: Measured
    hardware: Measured
    scaled: Measured
    config: dict[str, Any]
    repeat_of: int | None = None

    def user_attributes(self) -> dict[str, Any]:
        """The attributes of the study's trial, under MASE's names."""
        attributes: dict[str, Any] = {
            "software_metrics": self.software,
            "hardware_metrics": self.hardware,
            "scaled_metrics": self.scaled,
            "sampled_config": self.config,
        }
        if self.repeat_of is not None:
            attributes["repeat_of"] = self.repeat_of
        return attributes


class Objective:
    """Measures points of a space.

    Args:
        space: turns indexes into a config.
        context: model and data; the runners are built on it here, so that what cannot run fails before the
            first trial.
        config: runners and metrics to use.
        sum_scaled_metrics: one summed value instead of one a metric.
    """

    def __init__(
        self, space: SearchSpace, context: SearchContext, config: StrategyConfig, sum_scaled_metrics: bool
    ) -> None:
        self.space = space
        self.context = context
        self.sum_scaled_metrics = sum_scaled_metrics
        self._software = [SW_RUNNERS[name](context, options) for name, options in config.sw_runner.items()]
        self._hardware = [HW_RUNNERS[name](context, options) for name, options in config.hw_runner.items()]
        self.metrics: dict[str, MetricTable] = dict(sorted(config.metrics.items()))
        self._own: dict[str, SearchMetric] = {
            name: METRICS[name]() for name in self.metrics if METRICS[name].computes_itself()
        }
        self._seen: dict[Hashable, tuple[int, Outcome]] = {}

    @property
    def directions(self) -> list[str]:
        """Direction of each metric, in the order of the sorted names."""
        return [table.direction or METRICS[name].direction for name, table in self.metrics.items()]

    def measure(self, indexes: Mapping[str, int], number: int) -> Outcome:
        """Return the outcome of trial ``number``; a config that was measured before is not measured again.

        Args:
            indexes: parameter name -> index; parameters with one choice may be left out.
            number: of this trial.
        """
        key = self.key(indexes)
        if key in self._seen:
            first, outcome = self._seen[key]
            return dataclasses.replace(outcome, repeat_of=first)
        outcome = self._measure(self.space.flattened_indexes_to_config(indexes))
        self._seen[key] = (number, outcome)
        return outcome

    def remember(self, indexes: Mapping[str, int], number: int, attributes: Mapping[str, Any]) -> None:
        """Take over an outcome that an earlier run of the same study measured."""
        names = ("software_metrics", "hardware_metrics", "scaled_metrics", "sampled_config")
        if any(name not in attributes for name in names):
            return
        software, hardware, scaled, config = (attributes[name] for name in names)
        outcome = Outcome(self._values(scaled), software, hardware, scaled, config)
        self._seen.setdefault(self.key(indexes), (number, outcome))

    def float_metrics(self) -> Measured:
        """The metrics of the float model, from those runners that have a ``float_metrics`` of their own."""
        return _merge(r.float_metrics() for r in self._software if hasattr(r, "float_metrics"))

    def _measure(self, config: dict[str, Any]) -> Outcome:
        software = _merge(runner(config) for runner in self._software)
        hardware = _merge(runner(config) for runner in self._hardware)
        for name, metric in self._own.items():
            value = float(metric.compute(config, {**software, **hardware}, self.context))
            (software if metric.kind == "software" else hardware)[name] = value
        measured = {**software, **hardware}
        scaled = {name: measured[name] * table.scale for name, table in self.metrics.items()}
        if any(math.isnan(value) for value in scaled.values()):
            logger.warning("a trial failed: a metric is not a number: %s", scaled)
        return Outcome(self._values(scaled), software, hardware, scaled, config)

    def _values(self, scaled: Measured) -> list[float]:
        return [sum(scaled.values())] if self.sum_scaled_metrics else list(scaled.values())

    def key(self, indexes: Mapping[str, int]) -> Hashable:
        """What a point is known by: its choices, as two indexes may hold the same one."""
        return tuple(choices[indexes.get(name, 0)] for name, choices in self.space.choices_flattened.items())


def _merge(parts: Iterable[Measured]) -> Measured:
    merged: Measured = {}
    for part in parts:
        merged.update(part)
    return merged
