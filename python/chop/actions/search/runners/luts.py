"""LUTs of the circuit that ``ch emit`` makes of a config: estimated, from its cells, or counted by yosys."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field

from chop.actions.search.context import SearchContext
from chop.actions.search.runners.registry import HW_RUNNERS
from chop.actions.search.validation import StrictTable
from chop.tools.errors import ConfigError

WHERE = "search.strategy.hw_runner.luts"


class LutsOptions(StrictTable):
    """What is counted, and how.

    Attributes:
        sums: how ``luts`` and ``luts_circuit`` find adders: ``plain``, ``alkaid``, or ``auto``: alkaid if installed.
        cache: a folder that keeps what yosys counted from run to run; empty: in memory only.
        models: metrics to record beside those that the config judges by.
    """

    sums: str = "auto"
    cache: str = ""
    models: list[str] = Field(default_factory=list)


@HW_RUNNERS.register("luts")
class LutsRunner:
    """``luts_estimate`` (under a millisecond or a few), ``luts_circuit`` (tens of ms), ``luts`` (seconds).

    A config that no circuit can be made of, because a layer stays in float or is not exact, has infinitely many.
    """

    metrics: ClassVar[tuple[str, ...]] = ("luts_estimate", "luts_circuit", "luts")
    parallel: ClassVar[bool] = True
    Options: ClassVar[Any] = LutsOptions

    def __init__(self, context: SearchContext, options: LutsOptions) -> None:
        from chop.emit import Wanted
        from chop.evaluator import Evaluator

        for name in options.models:
            if name not in self.metrics:
                raise ConfigError(f"{WHERE}.models must be some of {', '.join(self.metrics)}, got {name!r}")
        shape = context.row_shape
        if shape is None:
            raise ConfigError(f"{WHERE} needs a runner that reads rows: add sw_runner.basic_evaluation")
        Wanted(sums=options.sums)  # refuses what is not installed
        evaluator = Evaluator(context.graph, torch.zeros(1, *shape), threads=1)
        asked = [name for name in self.metrics if name in context.asked or name in options.models]
        self._counts = {name: _COUNTS[name](evaluator, options) for name in asked}

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]:
        return {name: _or_infinite(count, config) for name, count in self._counts.items()}


def _or_infinite(count: Callable[[Any], float], config: Mapping[str, Any]) -> float:
    try:
        return float(count(config))
    except ConfigError:
        return math.inf


def _estimate(evaluator: Any, options: LutsOptions) -> Callable[[Any], float]:
    from chop.emit.estimate import LutsEstimate

    return LutsEstimate(evaluator)


def _circuit(evaluator: Any, options: LutsOptions) -> Callable[[Any], float]:
    from chop.emit import Wanted, design_of
    from chop.emit.counting import luts_of_circuit

    return lambda config: luts_of_circuit(design_of(evaluator, config, Wanted(sums=options.sums)))


def _counter(evaluator: Any, options: LutsOptions) -> Callable[[Any], float]:
    from chop.emit.counting import LutCounter

    return LutCounter(evaluator, options.sums, options.cache or None)


_COUNTS = {"luts_estimate": _estimate, "luts_circuit": _circuit, "luts": _counter}
