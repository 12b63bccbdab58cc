"""Cost models of ``chop.cost`` as metrics of a search: FLOPs, BitOPs, BOPs, EBOPs, model size and more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from chop.actions.search.context import SearchContext
from chop.actions.search.metrics import cost_metrics
from chop.actions.search.runners.registry import HW_RUNNERS, NamesNow
from chop.actions.search.validation import StrictTable
from chop.tools.errors import ConfigError

OWN_RUNNER = ("average_bitwidth", "memory_density")
WHERE = "search.strategy.hw_runner.cost"


class CostOptions(StrictTable):
    """What the figures are of.

    ``batch``: rows of one forward pass; ``models``: names to record beside those that the config judges by; ``strict``:
    refuse a model with nodes that cannot be counted, which are else left out with a warning.
    """

    batch: int = Field(default=1, ge=1)
    models: list[str] = Field(default_factory=list)
    strict: bool = False

    @field_validator("models")
    @classmethod
    def _known(cls, models: list[str]) -> list[str]:
        from chop.cost import COST_MODELS

        for name in models:
            COST_MODELS[name]
        return models


@HW_RUNNERS.register("cost")
class CostRunner:
    """The figures of :class:`chop.cost.Costs`, worked out from shapes, widths and (``ebops``) weights alone.

    ``average_bitwidth`` and ``memory_density`` have a runner of their own, under MASE's names.
    """

    first_batch: ClassVar[int] = 1000  # microseconds each
    metrics: ClassVar[Any] = NamesNow(lambda: tuple(n for n in cost_metrics() if n not in OWN_RUNNER))
    parallel: ClassVar[bool] = True
    Options: ClassVar[Any] = CostOptions

    def __init__(self, context: SearchContext, options: CostOptions) -> None:
        from chop.cost import COST_MODELS, Costs

        names = [
            name
            for name in COST_MODELS
            if (name in context.asked and name in self.metrics) or name in options.models
        ]
        try:
            self.costs = Costs(context.graph, options.batch, names, context.row_shape, strict=options.strict)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f"{WHERE}: the cost models do not know this model: {error}") from error

    def float_metrics(self) -> dict[str, float]:
        """Of the model as it is."""
        return self.costs.evaluate(None)

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]:
        return self.costs.evaluate(config)
