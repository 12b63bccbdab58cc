"""From metrics that were asked for to a result: native ones in one call of the core, the others one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from chop import _core
from chop.ir.graph.lowering import plain_tensor
from chop.metrics.asked import AskedMetric, MetricSpec, ask
from chop.metrics.native import NativeValue, plain_value
from chop.metrics.result import Metrics
from chop.tools.errors import ConfigError
from chop.tools.tensors import Array, as_tensor

CoreSpec = tuple[str, dict[str, int]]

# With labels these two are always found: the counts are there whatever is asked.
_RIGHT: tuple[CoreSpec, ...] = (("accuracy", {}), ("accuracy_micro", {}))
STANDARD: tuple[MetricSpec, ...] = ("accuracy", "accuracy_micro", "loss")


class Asked:
    """What is asked of evaluations, prepared once: which values the core is to give, and how they become a result.

    Attributes:
        specs: what the core is asked for, in the order in which :meth:`result` takes it.
    """

    def __init__(self, metrics: Sequence[MetricSpec], classes: int, labelled: bool) -> None:
        self._metrics = ask(metrics, classes, labelled)
        native = [metric.native for metric in self._metrics if metric.native is not None]
        self._before = len(_RIGHT) if labelled else 0
        self._native_keys = tuple(a.key for a in self._metrics) if len(native) == len(self._metrics) else None
        self.specs: list[CoreSpec] = [*(_RIGHT if labelled else ()), *native]

    @property
    def needs_reference(self) -> list[str]:
        """Names of the metrics that compare with the float model."""
        return [a.name for a in self._metrics if a.metric.needs_reference]

    def result(
        self, rows: int, found: Sequence[NativeValue], in_python: Callable[[AskedMetric], float | Tensor]
    ) -> Metrics:
        """Put the core's values and those of the metrics in Python into one result, in the order asked."""
        numbers = [value if type(value) is float else plain_value(value) for value in found]
        right = (numbers[0], numbers[1]) if self._before else None
        if self._native_keys is not None:
            values = dict(zip(self._native_keys, numbers[self._before :], strict=True))
        else:
            native = iter(numbers[self._before :])
            values = {a.key: next(native) if a.native is not None else in_python(a) for a in self._metrics}
        return Metrics(rows, values, right)  # type: ignore[arg-type]  # these two are floats


def in_python(
    asked: AskedMetric, logits: Tensor, y: Tensor | None, reference: Tensor | None
) -> float | Tensor:
    """Return the value of a metric that is a Python class.

    Raises:
        ConfigError: the metric compares with the float model, and there is no reference.
        TypeError: it returned neither a number nor a tensor.
    """
    if asked.metric.needs_reference:
        if reference is None:
            raise ConfigError(f"{asked.name} compares with the float model: give its logits as the reference")
        found = asked.metric.compute(logits, y, reference)
    else:
        found = asked.metric.compute(logits, y)
    if isinstance(found, Tensor) and found.dim() > 0:
        return found
    try:
        return float(found)
    except (TypeError, ValueError):
        raise TypeError(f"metric {asked.name!r} must return a number or a tensor, got {found!r}") from None


def score(
    logits: Array,
    y: Array | None = None,
    metrics: Sequence[MetricSpec] | None = None,
    reference: Array | None = None,
    threads: int = 1,
) -> Metrics:
    """Return the metrics of logits.

    A NaN logit is the prediction of its row, the first one of several (torch's argmax); of equal logits the first class
    is. Results of the native metrics do not depend on ``threads``, bit for bit.

    Args:
        logits: floating point, shape [rows, classes]; a tensor or a NumPy array, as y and reference; taken as float32.
        y: class indices, integers, shape [rows]; None for metrics that need no labels.
        metrics: names, or mappings with ``name`` and options (see ``METRICS``). None: accuracy, accuracy_micro, loss.
        reference: the float model's logits, like ``logits``, for the metrics that compare with it.
        threads: of the native metrics, 1 or more.

    Raises:
        ConfigError: a bad option, missing labels, a missing reference.
        UnknownNameError: an unknown metric.
        ValueError: shapes that do not go together, a label that is no class, no rows.

    >>> import torch
    >>> score(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    Metrics(rows=2, accuracy=0.25, accuracy_micro=0.5, loss=0.720095)
    """
    logits, y = as_tensor(logits, "score: logits"), as_tensor(y, "score: y")
    reference = as_tensor(reference, "score: reference")
    if logits.dim() != 2:
        raise ValueError(f"score: logits must have the shape [rows, classes], got {list(logits.shape)}")
    if y is not None and (y.is_floating_point() or y.dim() != 1):
        raise ValueError(f"score: y must hold class indices, shape [rows], got {y.dtype} {list(y.shape)}")
    labelled = y is not None
    asked = Asked(STANDARD if metrics is None else metrics, int(logits.shape[1]), labelled)
    if reference is None and (missing := asked.needs_reference):
        raise ConfigError(f"{missing[0]} compares with the float model: give its logits as the reference")
    z = plain_tensor(logits, name="score: logits")
    r = None if reference is None else plain_tensor(reference, name="score: reference")
    labels = None if y is None else plain_tensor(y, torch.int64)
    found = _core.score(z, labels, r, asked.specs, threads)
    return asked.result(int(z.shape[0]), found, lambda a: in_python(a, z, labels, r))
