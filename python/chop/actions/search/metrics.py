"""What a trial can be judged by: a registry of metrics with their units and directions.

A metric either comes out of a runner (``loss`` out of ``basic_evaluation``) or computes itself from the
others: a metric of your own is one registered class.

>>> @METRICS.register("bits_times_loss")
... class BitsTimesLoss(SearchMetric):
...     unit = "bit nat"
...     direction = "minimize"
...     kind = "hardware"
...     def compute(self, config, measured, context):
...         return measured["average_bitwidth"] * measured["loss"]
>>> BitsTimesLoss.computes_itself()
True
>>> del METRICS["bits_times_loss"]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from chop.registry import Registry

if TYPE_CHECKING:
    from chop.actions.search.context import SearchContext


class SearchMetric:
    """One number a trial.

    Attributes:
        unit: in words.
        direction: which way is better, used where the config does not say.
        kind: the user attribute (``software_metrics`` or ``hardware_metrics``) that records a self-computed
            value.
    """

    unit: ClassVar[str] = "1"
    direction: ClassVar[Literal["minimize", "maximize"]] = "maximize"
    kind: ClassVar[Literal["software", "hardware"]] = "software"

    def compute(
        self, config: Mapping[str, Any], measured: Mapping[str, float], context: SearchContext
    ) -> float:
        """Return the value of a trial; the default says that a runner measures this metric.

        Args:
            config: the sampled config, as ``quantize_transform_pass`` takes it.
            measured: what the runners measured in this trial, by metric name.
            context: graph, evaluator and data set of the search.
        """
        raise NotImplementedError(f"{type(self).__name__} is measured by a runner")

    @classmethod
    def computes_itself(cls) -> bool:
        """True where the class has a ``compute`` of its own, so that no runner is needed."""
        return cls.compute is not SearchMetric.compute


METRICS: Registry[type[SearchMetric]] = Registry("search metric")


@METRICS.register("loss")
class Loss(SearchMetric):
    """Cross-entropy, the mean over the rows (MASE: a mean of batch means)."""

    unit = "nat"
    direction = "minimize"


@METRICS.register("accuracy")
class Accuracy(SearchMetric):
    """Accuracy averaged over the classes (macro, as torchmetrics' MulticlassAccuracy has it in MASE)."""

    unit = "fraction"
    direction = "maximize"


@METRICS.register("average_bitwidth")
class AverageBitwidth(SearchMetric):
    """Mean width of the weights of the quantized linear layers."""

    unit = "bit"
    direction = "minimize"
    kind = "hardware"


@METRICS.register("memory_density")
class MemoryDensity(SearchMetric):
    """``compare_to`` over the average bit width: how many times smaller the weights are."""

    unit = "ratio"
    direction = "maximize"
    kind = "hardware"
