"""From what a caller asks for to metrics with their options, checked at the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chop.metrics.metric import METRICS, Metric
from chop.metrics.native import NativeMetric
from chop.registry import UnknownNameError, did_you_mean
from chop.tools.errors import ConfigError

MetricSpec = str | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AskedMetric:
    """A metric with its options.

    Attributes:
        key: under which the result holds it: the name, with the options that were given in parentheses.
        name: in ``METRICS``.
        metric: the object.
    """

    key: str
    name: str
    metric: Metric

    @property
    def native(self) -> tuple[str, dict[str, int]] | None:
        """Name and options as the core takes them; None for a metric in Python."""
        return (self.metric.name, self.metric.given) if isinstance(self.metric, NativeMetric) else None


def ask(specs: Sequence[MetricSpec], classes: int, labelled: bool) -> tuple[AskedMetric, ...]:
    """Return the metrics that ``specs`` name.

    Args:
        specs: a name each, or a mapping with ``name`` and the metric's options.
        classes: columns of the logits.
        labelled: whether there are labels.

    Raises:
        ConfigError: an unknown option, a bad or a missing one, one metric asked twice with the same options, a metric
            that needs labels where there are none.
        UnknownNameError: (a KeyError and a ValueError) an unknown metric.

    >>> [asked.key for asked in ask(["loss", {"name": "loss", "mean_of_batches": 512}], classes=5, labelled=True)]
    ['loss', 'loss(mean_of_batches=512)']
    >>> ask([{"name": "top_k", "k": 6}], classes=5, labelled=True)
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: metrics[0]: top_k: k must be 1..5, got 6
    """
    if isinstance(specs, str | Mapping):
        raise ConfigError(f"metrics must be a list of metrics, got {specs!r}")
    asked: dict[str, AskedMetric] = {}
    for at, spec in enumerate(specs):
        found = _one(spec, f"metrics[{at}]", classes, labelled)
        if found.key in asked:
            raise ConfigError(f"metrics[{at}]: {found.key} is asked for twice")
        asked[found.key] = found
    return tuple(asked.values())


def _one(spec: MetricSpec, where: str, classes: int, labelled: bool) -> AskedMetric:
    name, options = _name_and_options(spec, where)
    try:
        made = METRICS[name]
    except UnknownNameError as error:
        raise UnknownNameError(f"{where}: {error}") from None
    known = made.options()
    for option in options:
        if option not in known:
            raise ConfigError(
                f"{where}: {name}: option {option!r} is not known{did_you_mean(option, known)}; "
                f"known: {', '.join(known) or 'none'}"
            )
    try:
        metric = made(**options)
        metric.check(classes)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {name}: {error}") from error
    if metric.needs_labels and not labelled:
        raise ConfigError(f"{where}: {name} needs labels, and there are none: give y")
    text = ", ".join(f"{option}={value!r}" for option, value in options.items())
    return AskedMetric(f"{name}({text})" if text else name, name, metric)


def _name_and_options(spec: MetricSpec, where: str) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        return spec, {}
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
        raise ConfigError(
            f"{where} must be a metric's name, or a table with 'name' and its options; got {spec!r}"
        )
    return spec["name"], {str(key): value for key, value in spec.items() if key != "name"}
