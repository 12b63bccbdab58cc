"""What a ``[search.strategy]`` may leave out, and what of it belongs to another strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chop.actions.search.metrics import metric_class
from chop.actions.search.runners import HW_RUNNERS, SW_RUNNERS
from chop.actions.search.strategies import STRATEGIES
from chop.actions.search.validation import StrictTable
from chop.registry import Registry
from chop.tools.errors import ConfigError

Runners = dict[str, StrictTable]


def add_runners(asked: Iterable[str], software: Runners, hardware: Runners) -> None:
    """Add the runner, with its default options, of each metric that no runner of the file computes; in place.

    A metric that nothing registered computes, or only a runner with options that must be given, stays as it is: the
    check that follows tells.
    """
    for name in asked:
        metric = metric_class(name)
        for needed in metric.needs if metric.computes_itself() else (name,):
            _add_runner_of(needed, software, hardware)


def _add_runner_of(metric: str, software: Runners, hardware: Runners) -> None:
    given = [SW_RUNNERS[name] for name in software] + [HW_RUNNERS[name] for name in hardware]
    if any(metric in runner.metrics for runner in given):
        return
    registries: tuple[tuple[Registry[Any], Runners], ...] = ((SW_RUNNERS, software), (HW_RUNNERS, hardware))
    for registry, table in registries:
        for name, runner in registry.items():
            if metric not in runner.metrics or getattr(runner, "trains", False):
                continue
            if any(field.is_required() for field in runner.Options.model_fields.values()):
                continue
            table[name] = runner.Options()
            return


def of_other_strategies(member: Any, setup: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Split a set-up into what the strategy knows (or nobody does) and strategy -> keys that are only of that one."""
    kept, others = {}, {}  # type: dict[str, Any], dict[str, list[str]]
    for key, value in setup.items():
        owners = [
            name
            for name, other in STRATEGIES.items()
            if other is not member and key in other.Setup.model_fields
        ]
        if key in member.Setup.model_fields or not owners:
            kept[key] = value
        else:
            others.setdefault(owners[0], []).append(key)
    return kept, others


def with_setup(table: Mapping[str, Any], keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a ``[search]`` table with keys of ``search.strategy.setup`` replaced, where they are given.

    Raises:
        ConfigError: the strategy has no such key: what was asked for in so many words is not left out.
    """
    given = {key: value for key, value in keys.items() if value is not None}
    search = table.get("search", table)
    strategy = search.get("strategy") if isinstance(search, Mapping) else None
    if not given or not isinstance(strategy, Mapping) or not isinstance(strategy.get("setup", {}), Mapping):
        return table
    name = strategy.get("name")
    member = STRATEGIES[name] if isinstance(name, str) and name in STRATEGIES else None
    for key in given:
        if member is not None and key not in member.Setup.model_fields:
            raise ConfigError(f"{key.removesuffix('_name')}: the strategy {name!r} has no {key}")
    return {**search, "strategy": {**strategy, "setup": {**strategy.get("setup", {}), **given}}}
