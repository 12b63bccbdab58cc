"""A trial: indexes -> config -> runners -> scaled metrics. Only the cache outlives a trial."""

from __future__ import annotations

import copy
import dataclasses
import math
import threading
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from chop.actions.search.constraints import excesses
from chop.actions.search.metrics import SearchMetric, metric_class
from chop.actions.search.outcome import Measured, Outcome, merged
from chop.actions.search.runners import HW_RUNNERS, SW_RUNNERS
from chop.actions.search.threads import in_order
from chop.actions.search.trained_weights import TrainedWeights
from chop.actions.search.trial import TrialFailedError, quantization_of, trial_context
from chop.ir.graph.tracing import TRACING
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from torch import Tensor

    from chop.actions.search.config import MetricTable, StrategyConfig
    from chop.actions.search.context import SearchContext
    from chop.actions.search.search_space import SearchSpace
    from chop.actions.search.workers import Workers

logger = get_logger(__name__)


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
        self.config = config
        context.asked = config.asked()
        self._software = [SW_RUNNERS[name](context, options) for name, options in config.sw_runner.items()]
        self._hardware = [HW_RUNNERS[name](context, options) for name, options in config.hw_runner.items()]
        self.metrics: dict[str, MetricTable] = dict(sorted(config.metrics.items()))
        self._own: dict[str, SearchMetric] = {
            name: metric_class(name)() for name in context.asked if metric_class(name).computes_itself()
        }
        # Parameters with several choices -> for each of them the first that is equal.
        several = ((name, c) for name, c in space.choices_flattened.items() if len(c) > 1)
        self._firsts = [(name, [choices.index(choice) for choice in choices]) for name, choices in several]
        self._seen: dict[Hashable, tuple[int, Outcome]] = {}
        self.trains = any(getattr(runner, "trains", False) for runner in self._software)
        self.weights = TrainedWeights()
        self.workers: Workers | None = None  # who measures, where it is not this process
        self.own_models = self.trains or getattr(space, "changes_model", False)
        if self.own_models and not self.trains:
            logger.warning(
                "the space gives each trial new layers, and no runner trains them: add sw_runner.basic_train"
            )

        members = (*self._software, *self._hardware, *self._own.values())
        parallel = self.own_models and all(getattr(member, "parallel", False) for member in members)
        self._threads_at_once = context.threads if parallel else 1

    @property
    def at_once(self) -> int:
        """How many trials are measured at a time."""
        return self._threads_at_once if self.workers is None else self.workers.pool.at_once

    @property
    def directions(self) -> list[str]:
        """Direction of each metric, in the order of the sorted names."""
        return [table.direction or metric_class(name).direction for name, table in self.metrics.items()]

    @property
    def study_directions(self) -> list[Any]:
        """Direction of each value of a trial."""
        return [self.config.setup.direction] if self.sum_scaled_metrics else self.directions

    @property
    def value_names(self) -> list[str]:
        """Names of a trial's values, for tools that show these: one that is scaled says so."""
        if self.sum_scaled_metrics:
            return ["sum"]
        return [n if t.scale == 1 else f"{n} x {t.scale:g}" for n, t in self.metrics.items()]

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

    @property
    def first_batch(self) -> int:
        """How many trials to measure at once before it is known how long one takes."""
        if self.own_models:
            return self.at_once
        if self._own:
            return 1
        runners = (*self._software, *self._hardware)
        return min((getattr(runner, "first_batch", 1) for runner in runners), default=1)

    def measure_parts(
        self, points: Sequence[Mapping[str, int]], number: int
    ) -> Generator[list[Outcome], None, None]:
        """Yield :meth:`measure` of each point, the first being trial ``number``; equal first layers are shared.

        They come in pieces, in order, as soon as there are some: trials that train take long. Those train in threads of
        their own, ``at_once`` of them; closing the generator ends them.
        """
        keys = [self.key(indexes) for indexes in points]
        fresh = {key: i for i, key in reversed(list(enumerate(keys))) if key not in self._seen}
        first = sorted(fresh.values())
        configs = [self.space.flattened_indexes_to_config(points[i]) for i in first]
        given, measured = 0, 0
        measured_by = (
            self.measure_all(configs) if self.workers is None else self.workers.measure(self, configs)
        )
        with closing(measured_by) as parts:
            for part in parts:
                for i, outcome in zip(first[measured:], part, strict=False):
                    self._seen[keys[i]] = (number + i, outcome)
                measured += len(part)
                ready = first[measured] if measured < len(first) else len(keys)
                yield [self._again(keys[i], number + i) for i in range(given, ready)]
                given = ready
        if given < len(keys):
            yield [self._again(keys[i], number + i) for i in range(given, len(keys))]

    def _again(self, key: Hashable, number: int) -> Outcome:
        """The outcome of a config that was measured, for trial ``number``."""
        first, outcome = self._seen[key]
        return outcome if first == number else dataclasses.replace(outcome, repeat_of=first)

    def measure_all(self, configs: list[dict[str, Any]]) -> Generator[list[Outcome], None, None]:
        """Yield outcomes of configs in this process, in order, in pieces; runners that can take many at once."""
        if self.own_models:
            halt = self.context.halt = threading.Event()
            at_once = max(1, min(self._threads_at_once, len(configs)))
            call = partial(self._measure_own_model, self.context.threads // at_once)
            with closing(in_order(call, configs, at_once, halt)) as parts:
                yield from parts
        elif not all(hasattr(runner, "many") for runner in self._software):
            yield [self._measure(config) for config in configs]
        elif configs:
            runners: list[Any] = list(self._software)
            software = [runner.many(configs) for runner in runners]
            yield [
                self.outcome_of(config, merged(found[i] for found in software))
                for i, config in enumerate(configs)
            ]

    def remember(self, indexes: Mapping[str, int], number: int, attributes: Mapping[str, Any]) -> None:
        """Take over an outcome that an earlier run of the same study measured."""
        names = ("software_metrics", "hardware_metrics", "scaled_metrics", "sampled_config")
        if any(name not in attributes for name in names):
            return
        software, hardware, scaled, config = (attributes[name] for name in names)
        further: dict[str, Any] = {name: attributes.get(name) for name in ("passes", "failure", "weights")}
        further["excesses"] = attributes.get("constraints", {})
        values = self._values(scaled)
        if further["failure"] is not None:
            values = [math.nan] * len(values)
        outcome = Outcome(values, software, hardware, scaled, config, **further)
        self._seen.setdefault(self.key(indexes), (number, outcome))

    def outcome_of(self, config: dict[str, Any], software: Measured) -> Outcome:
        """Return the outcome of a config whose software metrics are known."""
        hardware = merged(runner(config) for runner in self._hardware)
        return self._outcome(config, software, hardware, config, self.context)

    def fresh(self) -> Objective:
        """Return the same objective with nothing measured as yet; it shares model, data and runners."""
        made = copy.copy(self)
        made._seen, made.weights = {}, TrainedWeights()
        return made

    def train_again(self, config: dict[str, Any]) -> dict[str, str] | None:
        """Train a config as its trial did; return the attribute of its weights, which :attr:`weights` holds then."""
        return self._measure_own_model(self.context.threads, config).weights

    def measure_trained(self, config: dict[str, Any], weights: Mapping[str, Tensor]) -> Outcome:
        """Return the outcome of a config with weights that somebody trained; :attr:`weights` holds them then."""
        with trial_context(self.context, {"quantize": config}, self.context.threads) as context:
            context.graph.model.load_state_dict(dict(weights))
            outcome = self._outcome_on(context, config, config, self.config.sw_runner)
            return dataclasses.replace(outcome, weights=self.weights.hold(context.graph.model))

    def float_metrics(self) -> Measured:
        """The metrics of the float model, from those runners that have a ``float_metrics`` of their own."""
        return dict(self._float_metrics)

    @cached_property
    def _float_metrics(self) -> Measured:
        return merged(r.float_metrics() for r in self._software if hasattr(r, "float_metrics"))

    def float_figures(self) -> Measured:
        """The same, and what the hardware runners say of a model that is quantized nowhere."""
        costs = merged(r.float_metrics() for r in self._hardware if hasattr(r, "float_metrics"))
        return {**self.float_metrics(), **costs}

    def _measure(self, config: dict[str, Any]) -> Outcome:
        if self.own_models:
            return self._measure_own_model(self.context.threads, config)
        return self.outcome_of(config, merged(runner(config) for runner in self._software))

    def _measure_own_model(self, threads: int, config: dict[str, Any]) -> Outcome:
        """A trial on a model of its own: runners are made on its context, those that train first."""
        space: Any = self.space
        listed = space.passes_of(config, self.context.seed) if hasattr(space, "passes_of") else None
        passes = {"quantize": config} if listed is None else listed
        quantization = quantization_of(passes)
        names = sorted(self.config.sw_runner, key=lambda n: not getattr(SW_RUNNERS[n], "trains", False))
        try:
            with trial_context(self.context, passes, threads) as context:
                outcome = self._outcome_on(context, config, quantization, names)
                if self.trains:
                    outcome = dataclasses.replace(outcome, weights=self.weights.hold(context.graph.model))
        except TrialFailedError as error:
            logger.warning("a trial failed: %s", error)
            outcome = self.failed(config, str(error))
        return dataclasses.replace(outcome, passes=listed)

    def _outcome_on(
        self,
        context: SearchContext,
        config: dict[str, Any],
        quantization: Mapping[str, Any],
        names: Iterable[str],
    ) -> Outcome:
        """Make the runners on the context of a trial, those on data in the order of ``names``, and run them."""
        own = self.config
        software = merged(_run(SW_RUNNERS[n], context, own.sw_runner[n], quantization) for n in names)
        hardware = merged(_run(HW_RUNNERS[n], context, o, quantization) for n, o in own.hw_runner.items())
        return self._outcome(config, software, hardware, quantization, context)

    def failed(self, config: dict[str, Any], why: str) -> Outcome:
        """Return the outcome of a config that gave no figures."""
        nothing = dict.fromkeys(self.metrics, math.nan)
        return Outcome(self._values(nothing), {}, {}, nothing, config, failure=why)

    def _outcome(
        self,
        config: dict[str, Any],
        software: Measured,
        hardware: Measured,
        quantization: Mapping[str, Any],
        context: SearchContext,
    ) -> Outcome:
        for name, metric in self._own.items():
            value = float(metric.compute(quantization, {**software, **hardware}, context))
            (software if metric.kind == "software" else hardware)[name] = value
        measured = {**software, **hardware}
        scaled = {name: measured[name] * table.scale for name, table in self.metrics.items()}
        broken = excesses(self.config.constraints, measured)
        if any(math.isnan(value) for value in (*scaled.values(), *broken.values())):
            failure = "a metric is not a number"
            logger.warning("a trial failed: %s: %s", failure, measured)
            values = [math.nan] * len(self._values(scaled))
            return Outcome(values, software, hardware, scaled, config, failure=failure)
        return Outcome(self._values(scaled), software, hardware, scaled, config, excesses=broken)

    def _values(self, scaled: Measured) -> list[float]:
        return [sum(scaled.values())] if self.sum_scaled_metrics else list(scaled.values())

    def key(self, indexes: Mapping[str, int]) -> Hashable:
        """What a point is known by: its choices, as two indexes may hold the same one."""
        own: Callable[[Mapping[str, int]], Hashable] | None = getattr(self.space, "key_of", None)
        if own is not None:
            return own(indexes)
        return tuple(firsts[indexes.get(name, 0)] for name, firsts in self._firsts)


def _run(runner: Any, context: SearchContext, options: Any, quantization: Mapping[str, Any]) -> Measured:
    with TRACING:
        made = runner(context, options)
    found: Measured = made(quantization)
    return found
