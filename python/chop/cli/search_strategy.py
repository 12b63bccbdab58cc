"""``ch search --strategy NAME``: another strategy or sampler than the file names, in one word."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from chop.cli.merge import Merged
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)

OF_DEVICES = (
    "auto",
    "ddp",
    "ddp_find_unused_parameters_true",
)  # MASE's --strategy: how devices share the work
_SAMPLER_KEYS = ("sampler_options", "multivariate", "constant_liar")


def apply_strategy(action: str, merged: Merged) -> Merged:
    """Return the options with the strategy that ``--strategy`` names in ``[search.strategy]``.

    A sampler's name means the strategy ``optuna`` with that sampler; options of the file's own sampler that the new one
    does not have are left out, with a note. Other actions take MASE's words only.

    Raises:
        ConfigError: a name that nothing has.
    """
    name = merged.options.strategy
    if name in OF_DEVICES:
        return merged
    label = "--strategy" if "strategy" in merged.typed else f"{merged.path}: strategy"
    if action != "search":
        hint = did_you_mean(name, OF_DEVICES)
        raise ConfigError(f"{label} must be one of {', '.join(OF_DEVICES)} for {action}, got {name!r}{hint}")
    from chop.actions.search.samplers import SAMPLERS
    from chop.actions.search.strategies import STRATEGIES

    search = merged.tables.get("search")
    strategy = search.get("strategy", {}) if isinstance(search, Mapping) else None
    setup = strategy.get("setup", {}) if isinstance(strategy, Mapping) else None
    if not isinstance(search, Mapping) or not isinstance(strategy, Mapping) or not isinstance(setup, Mapping):
        return merged  # what is wrong there is told by the check of the tables
    if name in STRATEGIES:
        changed = {**strategy, "name": name}
    else:
        sampler = name if name in SAMPLERS else name.lower().replace("_", "-")
        if sampler not in SAMPLERS:
            known = [*STRATEGIES, *SAMPLERS]
            hint = did_you_mean(name, known)
            raise ConfigError(f"{label} must be one of {', '.join(known)}, got {name!r}{hint}")
        changed = {**strategy, "name": "optuna", "setup": _of_sampler(setup, sampler)}
    tables = {**merged.tables, "search": {**search, "strategy": changed}}
    return dataclasses.replace(merged, tables=tables)


def _of_sampler(setup: Mapping[str, Any], sampler: str) -> dict[str, Any]:
    given = {key: setup[key] for key in _SAMPLER_KEYS if key in setup}
    before = str(setup.get("sampler", "tpe")).lower().replace("_", "-")
    if before == sampler or not given:
        return {**setup, "sampler": sampler}
    logger.info(
        "search.strategy.setup: %s are options of %s: %s goes without them", ", ".join(given), before, sampler
    )
    return {**{key: value for key, value in setup.items() if key not in given}, "sampler": sampler}
