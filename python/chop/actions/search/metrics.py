"""What a trial can be judged by: a registry of metrics with their units and directions.

A metric either comes out of a runner (``loss`` out of ``basic_evaluation``) or computes itself from the
others: a metric of your own is one registered class. Every metric of the evaluator that is one number
(``chop.metrics``) and every cost model (``chop.cost``) can be named too, so registering one there is enough.
Case does not matter: ``FLOPs`` is ``flops``.

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

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from chop.registry import Registry, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from chop.actions.search.context import SearchContext


class SearchMetric:
    """One number a trial.

    Attributes:
        unit: in words.
        direction: which way is better, used where the config does not say.
        kind: the user attribute (``software_metrics`` or ``hardware_metrics``) that records a self-computed
            value.
        needs: metrics of runners that a self-computed value is made of; they are checked before the first trial.
        parallel: True where ``compute`` may run in several threads at once; else trials that train do so one after
            the other.
    """

    unit: ClassVar[str] = "1"
    direction: ClassVar[Literal["minimize", "maximize"]] = "maximize"
    kind: ClassVar[Literal["software", "hardware"]] = "software"
    needs: ClassVar[tuple[str, ...]] = ()
    parallel: ClassVar[bool] = False

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

MOST_NATS = 709.0  # exp of more is no float64


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


@METRICS.register("perplexity")
class Perplexity(SearchMetric):
    """exp(loss): as many equally likely classes (tokens, for a language model) would have that loss.

    It applies wherever a runner measures a cross-entropy in nats.
    """

    direction = "minimize"
    needs = ("loss",)
    parallel = True

    def compute(
        self, config: Mapping[str, Any], measured: Mapping[str, float], context: SearchContext
    ) -> float:
        loss = measured["loss"]
        return math.exp(loss) if loss < MOST_NATS else math.inf


@METRICS.register("latency")
class Latency(SearchMetric):
    """Median time of one forward pass, see the runner ``latency``."""

    unit = "ms"
    direction = "minimize"
    kind = "hardware"


@METRICS.register("latency_spread")
class LatencySpread(SearchMetric):
    """Distance between the quartiles of the times that ``latency`` is the median of."""

    unit = "ms"
    direction = "minimize"
    kind = "hardware"


@METRICS.register("luts_estimate")
class LutsEstimate(SearchMetric):
    """About how many LUTs of six inputs the circuit of ``ch emit`` takes, from signed digits and data bits alone."""

    unit = "LUT"
    direction = "minimize"
    kind = "hardware"


@METRICS.register("luts_circuit")
class LutsCircuit(SearchMetric):
    """About how many LUTs the circuit of ``ch emit`` takes, from the adders that are found and all between them."""

    unit = "LUT"
    direction = "minimize"
    kind = "hardware"


@METRICS.register("luts")
class Luts(SearchMetric):
    """LUT1 to LUT6 that yosys counts of the circuit of ``ch emit`` (``synth_xilinx -flatten -nodsp -noiopad``)."""

    unit = "LUT"
    direction = "minimize"
    kind = "hardware"


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


def evaluator_metrics() -> tuple[str, ...]:
    """Names of the metrics that ``basic_evaluation`` can measure; those that have a better and a worse."""
    from chop.metrics import METRICS as OF_LOGITS

    return tuple(name for name, metric in OF_LOGITS.items() if metric.direction is not None)


def cost_metrics() -> tuple[str, ...]:
    """Names of the cost models."""
    from chop.cost import COST_MODELS

    return tuple(COST_MODELS)


def known_metrics() -> list[str]:
    """Every name that ``[search.strategy.metrics]`` takes."""
    return sorted({*METRICS, *evaluator_metrics(), *cost_metrics()})


def metric_name(name: str) -> str:
    """Return the name as it is registered; case does not matter where nothing else is meant.

    Raises:
        UnknownNameError: there is no such metric.

    >>> metric_name("BitOPs"), metric_name("accuracy")
    ('bitops', 'accuracy')
    """
    known = known_metrics()
    if name in known:
        return name
    alike = [each for each in known if each.casefold() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    hint = did_you_mean(name.lower(), known)
    raise UnknownNameError(f"search metric {name!r} is not known{hint}; known: {', '.join(known)}")


def metric_class(name: str) -> type[SearchMetric]:
    """Return the class of a registered name; a class made for it where it is one of the evaluator or a cost model.

    >>> metric_class("flops").unit, metric_class("flops").direction, metric_class("macro_f1").direction
    ('FLOPs', 'minimize', 'maximize')
    """
    if name in METRICS:
        return METRICS[name]
    if name in evaluator_metrics():
        from chop.metrics import METRICS as OF_LOGITS

        metric = OF_LOGITS[name]
        return _made(name, metric.unit, str(metric.direction), "software", metric.definition())
    from chop.cost import COST_MODELS

    model = COST_MODELS[name]
    return _made(name, model.unit, "minimize", "hardware", model.definition)


def _made(name: str, unit: str, direction: str, kind: str, definition: str) -> type[SearchMetric]:
    attributes = {"unit": unit, "direction": direction, "kind": kind, "__doc__": definition}
    return type(name, (SearchMetric,), {**attributes, "__module__": __name__})
