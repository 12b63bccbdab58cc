"""A checked search config: what the tables of a file amount to (``schema`` reads them)."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from pydantic import Field

from chop.actions.search.constraints import ConstraintTable
from chop.actions.search.metrics import metric_class
from chop.actions.search.validation import StrictTable

Direction = Literal["minimize", "maximize"]


class MetricTable(StrictTable):
    """``[search.strategy.metrics.<name>]``; without a direction the metric's own is used.

    ``options`` are those of a metric of the evaluator, such as ``k`` of ``top_k``.
    """

    scale: float = 1.0
    direction: Direction | None = None
    options: dict[str, Any] = Field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class SpaceConfig:
    """A checked search space; its seed has None where the file says "NA"."""

    name: str
    setup: StrictTable
    seed: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class StrategyConfig:
    """A checked strategy: options of each runner, the set-up, scale and direction of each metric, bounds.

    ``ignored``: another strategy -> keys of the set-up that only that one has. ``picture``: whether to draw.
    """

    name: str
    sw_runner: dict[str, StrictTable]
    hw_runner: dict[str, StrictTable]
    setup: Any
    metrics: dict[str, MetricTable]
    constraints: dict[str, ConstraintTable] = dataclasses.field(default_factory=dict)
    ignored: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    picture: bool = False

    def asked(self) -> dict[str, dict[str, Any]]:
        """Metrics that trials are judged by, and those that these are made of -> their options."""
        options = {name: table.options for name, table in self.metrics.items()}
        asked = {name: options.get(name, {}) for name in (*self.metrics, *self.constraints)}
        needed = [name for each in asked for name in metric_class(each).needs]
        return {**asked, **{name: {} for name in needed if name not in asked}}


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """A checked ``[search]`` table."""

    search_space: SpaceConfig
    strategy: StrategyConfig
