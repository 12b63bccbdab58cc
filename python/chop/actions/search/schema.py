"""The tables ``[search.search_space]`` and ``[search.strategy]``, checked before anything is written.

Source: the keys are MASE's. Names of spaces, strategies, runners and metrics are looked up in their
registries, and each member checks its own options, so a registered class of a user's own is checked like a
built-in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from chop.actions.search.completion import add_runners, of_other_strategies
from chop.actions.search.computed import check_computed
from chop.actions.search.config import MetricTable, SearchConfig, SpaceConfig, StrategyConfig
from chop.actions.search.constraints import ConstraintTable
from chop.actions.search.metrics import evaluator_metrics, known_metrics, metric_name
from chop.actions.search.runners import HW_RUNNERS, SW_RUNNERS
from chop.actions.search.search_space import SEARCH_SPACES
from chop.actions.search.strategies import STRATEGIES
from chop.actions.search.validation import StrictTable, TableT, validate_table
from chop.registry import Registry, UnknownNameError
from chop.tools.config_load import refuse_huge_integers
from chop.tools.errors import ConfigError


class SearchSpaceTable(StrictTable):
    """``[search.search_space]``: a registered space, its set-up, and the lists of choices."""

    name: str
    setup: dict[str, Any] = Field(default_factory=dict)
    seed: dict[str, Any]


class StrategyTable(StrictTable):
    """``[search.strategy]``."""

    name: str
    eval_mode: bool = True
    picture: bool = False  # front.png, or best_so_far.png of one metric, beside best.json
    sw_runner: dict[str, Any] = Field(default_factory=dict)
    hw_runner: dict[str, Any] = Field(default_factory=dict)
    setup: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any]
    constraints: dict[str, Any] = Field(default_factory=dict)


class SearchTable(StrictTable):
    """``[search]``."""

    search_space: dict[str, Any]
    strategy: dict[str, Any]


def parse_search_config(table: Mapping[str, Any]) -> SearchConfig:
    """Check a search config without touching a model, data or the disk.

    Args:
        table: a whole TOML document or its ``[search]`` table; the string "NA" counts as None. It is not
            changed.

    Returns:
        The checked config. The choices in the seed are checked later, against the graph (they need its node
        names).

    Raises:
        ConfigError: a missing, unknown or misspelt key, a wrong type or value; the message holds the key
            path.
        UnknownNameError: a space, strategy, runner, sampler or metric that is not registered.

    >>> parse_search_config({"search": {"search_spaec": {}}})
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: search.search_space is missing; search.strategy is missing; \
search.search_spaec is not known (did you mean 'search_space'?); known: search_space, strategy
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"search must be a table, got {table!r}")
    if "search" not in table and not {"search_space", "strategy"} & set(table):
        raise ConfigError(
            "the config has no [search] table: a search needs search.search_space and search.strategy"
        )
    refuse_huge_integers(table.get("search", table), "search")
    search = validate_table(SearchTable, na_to_none(table.get("search", table)), "search")
    return SearchConfig(_space(search.search_space), _strategy(search.strategy))


def na_to_none(value: Any) -> Any:
    """Return a copy in which the string "NA", MASE's way to write None in TOML, is None.

    >>> na_to_none({"name": ["integer", "NA"]})
    {'name': ['integer', None]}
    """
    if isinstance(value, Mapping):
        return {str(key): na_to_none(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [na_to_none(item) for item in value]
    return None if isinstance(value, str) and value == "NA" else value


def _space(table: Mapping[str, Any]) -> SpaceConfig:
    where = "search.search_space"
    checked = validate_table(SearchSpaceTable, table, where)
    member = _lookup(SEARCH_SPACES, checked.name, f"{where}.name")
    setup = validate_table(member.Setup, checked.setup, f"{where}.setup")
    if not checked.seed:
        raise ConfigError(f"{where}.seed is empty: it needs the choices of at least one key, such as default")
    return SpaceConfig(checked.name, setup, checked.seed)


def _strategy(table: Mapping[str, Any]) -> StrategyConfig:
    where = "search.strategy"
    checked = validate_table(StrategyTable, table, where)
    member = _lookup(STRATEGIES, checked.name, f"{where}.name")
    software = _runners(SW_RUNNERS, checked.sw_runner, f"{where}.sw_runner")
    if not checked.eval_mode and not any(getattr(SW_RUNNERS[name], "trains", False) for name in software):
        raise ConfigError(
            f"{where}.eval_mode must be true: no runner here trains the model in a trial (basic_train would)"
        )
    hardware = _runners(HW_RUNNERS, checked.hw_runner, f"{where}.hw_runner")
    own, ignored = of_other_strategies(member, checked.setup)
    setup = validate_table(member.Setup, own, f"{where}.setup")
    metrics = _by_metric(MetricTable, checked.metrics, f"{where}.metrics")
    constraints = _by_metric(ConstraintTable, checked.constraints, f"{where}.constraints")
    if not metrics:
        known = ", ".join(known_metrics())
        raise ConfigError(f"{where}.metrics is empty: a search needs at least one metric; known: {known}")
    add_runners((*metrics, *constraints), software, hardware)
    for key, names in (("metrics", metrics), ("constraints", constraints)):
        for name in names:
            check_computed(name, software, hardware, f"{where}.{key}.{name}")
    for name, metric in metrics.items():
        if metric.options and not ("basic_evaluation" in software and name in evaluator_metrics()):
            raise ConfigError(
                f"{where}.metrics.{name}.options: only what basic_evaluation measures has options"
            )
    return StrategyConfig(
        checked.name, software, hardware, setup, metrics, constraints, ignored, checked.picture
    )


def _by_metric(model: type[TableT], table: Mapping[str, Any], where: str) -> dict[str, TableT]:
    """Tables by metric, under the metrics' registered names."""
    found: dict[str, TableT] = {}
    for given, options in table.items():
        try:
            name = metric_name(given)
        except UnknownNameError as error:
            raise UnknownNameError(f"{where}.{given}: {error}") from None
        if name in found:
            raise ConfigError(f"{where}.{given} names {name!r} a second time")
        found[name] = validate_table(model, options, f"{where}.{given}")
    return found


def _runners(registry: Registry[Any], table: Mapping[str, Any], where: str) -> dict[str, StrictTable]:
    checked = {}
    for name, options in table.items():
        member = _lookup(registry, name, f"{where}.{name}")
        checked[name] = validate_table(member.Options, options, f"{where}.{name}")
    return checked


def _lookup(registry: Registry[Any], name: str, where: str) -> Any:
    try:
        return registry[name]
    except UnknownNameError as error:
        raise UnknownNameError(f"{where}: {error}") from None
