"""Average weight width of the quantized layers, and the memory density that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from chop.actions.search.context import SearchContext
from chop.actions.search.runners.registry import HW_RUNNERS
from chop.actions.search.validation import StrictTable
from chop.tools.logger import get_logger

logger = get_logger(__name__)

FLOAT_BITS = 32
WARNED = "average_bitwidth: warned of a config without a quantized layer"


class AverageBitwidthOptions(StrictTable):
    """``compare_to``: bits a weight of the model that the density is measured against; ``count``: whose weights."""

    compare_to: float = Field(default=float(FLOAT_BITS), gt=0)
    count: Literal["all", "mase"] = "all"


@HW_RUNNERS.register("average_bitwidth")
class AverageBitwidthRunner:
    """The cost model ``average_bitwidth``, and ``compare_to`` over it.

    Counts the layers that the config quantizes (a bypassed one at its width; a layer left in float is not counted);
    with ``count = "mase"`` only the linear ones among them, as MASE does. Where none is quantized the width is 32, and
    a warning says so once.
    """

    first_batch: ClassVar[int] = 1000  # microseconds each
    metrics: ClassVar[tuple[str, ...]] = ("average_bitwidth", "memory_density")
    parallel: ClassVar[bool] = True
    Options: ClassVar[Any] = AverageBitwidthOptions

    def __init__(self, context: SearchContext, options: AverageBitwidthOptions) -> None:
        from chop.cost import Costs
        from chop.cost.average import MODELS

        self.compare_to = options.compare_to
        self._shared = context.shared
        self._model = MODELS[options.count]
        self._what = "linear layer" if options.count == "mase" else "linear layer or convolution"
        self._costs = Costs(context.graph, models=(self._model,))

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]:
        average = self._costs.evaluate(config)[self._model]
        if average == FLOAT_BITS and not self._shared.get(WARNED) and not self._quantizes(config):
            self._shared[WARNED] = True
            logger.warning(
                "a sampled config quantizes no %s: its average_bitwidth counts as %d", self._what, FLOAT_BITS
            )
        return {"average_bitwidth": average, "memory_density": self.compare_to / average}

    def float_metrics(self) -> dict[str, float]:
        """Of the model as it is: 32 bits a weight."""
        return {"average_bitwidth": float(FLOAT_BITS), "memory_density": self.compare_to / FLOAT_BITS}

    def _quantizes(self, config: Mapping[str, Any]) -> bool:
        """Whether the config gives a width to the weights of any layer that is counted."""
        return any(part is not None for part in self._costs.report(config)[self._model].nodes.values())
