"""What a sweep judges configurations by: metrics of the core, measured, and cost models, known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from chop.cost import COST_MODELS, Costs
from chop.metrics import METRICS, NativeMetric
from chop.registry import UnknownNameError, did_you_mean
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.evaluator import Evaluator
    from chop.search.configurations import Configurations


class Objectives:
    """The columns of a sweep's results.

    Args:
        ev: the evaluator.
        asked: name of a native metric or a cost model -> "maximize" or "minimize".

    Attributes:
        names, directions: of the columns.
        costs: the cost models among them, of one row of data; None where there is none.

    Raises:
        ValueError: a cost model, and data that a node does not take.
        ConfigError: no objective, a bad direction, a metric that the core does not compute or that is not one number.
        UnknownNameError: neither metric nor cost model.
    """

    def __init__(self, ev: Evaluator, asked: Mapping[str, str]) -> None:
        if not asked:
            raise ConfigError("sweep: objectives must name at least one metric or cost model")
        for name, direction in asked.items():
            if direction not in ("maximize", "minimize"):
                hint = did_you_mean(direction, ["maximize", "minimize"])
                raise ConfigError(
                    f"sweep: objectives.{name} must be maximize or minimize, got {direction!r}{hint}"
                )
        self.names, self.directions = list(asked), list(asked.values())
        self.measured = [name in METRICS for name in self.names]
        ev._ask([name for name in self.names if name in METRICS])  # which refuses what cannot be had
        for name in self.names:
            self._check(name)
        models = [name for name in self.names if name not in METRICS]
        self.costs = Costs(ev.graph, models=models, input_shapes=ev._x.shape[1:]) if models else None
        self._known = [k for k, measured in enumerate(self.measured) if not measured]

    def for_core(self) -> list[tuple[str, bool]]:
        """Name, empty for a cost, and whether to maximize."""
        columns = zip(self.names, self.measured, self.directions, strict=True)
        return [(name if measured else "", way == "maximize") for name, measured, way in columns]

    def costs_of(self, all_of: Configurations, first: int, count: int) -> torch.Tensor:
        """Return float64 [count, objectives] of the positions from ``first`` on: costs, and zeros for the rest."""
        values = torch.zeros(count, len(self.names), dtype=torch.float64)
        if self.costs is None:
            return values
        if self.costs._python:
            numbers = all_of.numbers(np.arange(first, first + count))
            rows = [self.costs.evaluate(all_of.config(int(number))) for number in numbers]
            for k in self._known:
                values[:, k] = torch.tensor([row[self.names[k]] for row in rows], dtype=torch.float64)
        else:
            found = torch.empty(count, len(self._known), dtype=torch.float64)
            all_of.core.costs(self.costs._core, first, found)
            values[:, self._known] = found
        return values

    @staticmethod
    def _check(name: str) -> None:
        if name in METRICS:
            if not issubclass(METRICS[name], NativeMetric):
                raise ConfigError(
                    f"sweep: objective {name!r} is a metric in Python, which a sweep cannot use"
                )
        elif name not in COST_MODELS:
            known = sorted({*METRICS, *COST_MODELS})
            raise UnknownNameError(
                f"objectives: {name!r} is neither a metric nor a cost model{did_you_mean(name, known)}; "
                f"known: {', '.join(known)}"
            )
