"""The seed of a quantization space, checked choice by choice before the first trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chop.nn.quantizers import QUANTIZERS, QuantizerSpec
from chop.nn.quantizers.element_format import is_list
from chop.registry import UnknownNameError, did_you_mean, found_instead
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.ir.graph.mase_graph import MaseGraph

Choices = dict[str, list[Any]]


def check_seed(
    seed: Mapping[str, Any], by: str, graph: MaseGraph, where: str
) -> tuple[dict[str, Choices], list[str]]:
    """Return key -> entry -> choices, and the keys that apply to no node.

    Args:
        seed: key -> ``{"config": {entry: [choices]}}``.
        by: type, name or regex_name; decides what a key may be.
        graph: knows the node names.
        where: key path of the seed, for messages.

    Raises:
        ConfigError: see :class:`~chop.search.quantization_space.QuantizationSpace`.
        UnknownNameError: an unknown arithmetic.
    """
    from chop.ir.graph.quantize_config import check_rule_keys

    tables = {key: _config_table(table, f"{where}.{key}") for key, table in seed.items()}
    for key, choices in tables.items():
        check_choices(choices, f"{where}.{key}.config")
    return tables, check_rule_keys(tables, by, graph, where, warn=False)


def _config_table(table: object, where: str) -> Choices:
    if not isinstance(table, Mapping) or "config" not in table:
        hint = found_instead("config", table) if isinstance(table, Mapping) else ""
        raise ConfigError(f"{where} must be a table with a config table of choices, got {table!r}{hint}")
    for key in table:
        if key != "config":
            raise ConfigError(f"{where}.{key} is not known{did_you_mean(key, ['config'])}; known: config")
    if not isinstance(table["config"], Mapping):
        raise ConfigError(f"{where}.config must be a table of choices, got {table['config']!r}")
    return dict(table["config"])


def check_choices(choices: Choices, where: str) -> None:
    """Check the entries of a quantizer, each a list of choices.

    Raises:
        ConfigError, UnknownNameError: an entry or choice that the quantizer refuses; the message opens with ``where``.
    """
    for entry, values in choices.items():
        if not isinstance(values, (list, tuple)):
            raise ConfigError(f"{where}.{entry} must be a list of choices, got {values!r}")
        if not values:
            raise ConfigError(f"{where}.{entry} must hold at least one choice, got an empty list")
        if entry == "name":
            _refuse_lists(entry, values, where)
    if "name" not in choices:
        known = ", ".join(sorted(QUANTIZERS))
        raise ConfigError(
            f"{where}.name is missing{found_instead('name', choices)}; "
            f"it is a list of quantizers ({known}, or NA)"
        )
    specs = _specs(choices["name"], where)
    for entry, values in choices.items():
        # An entry of one of the arithmetic names means nothing to the others.
        knowing = [spec for spec in specs if entry in spec.known_keys()]
        if not knowing and entry != "name" and len(specs) > 1:
            hint = did_you_mean(entry, sorted({key for spec in specs for key in spec.known_keys()}))
            raise ConfigError(
                f"{where}.{entry} is not a key of {', '.join(repr(s.name) for s in specs)}{hint}"
            )
        if knowing and not any(spec.takes_list(entry) for spec in knowing):
            _refuse_lists(entry, values, where)
        for spec in (knowing or specs) if entry != "name" else ():
            for value in values:
                spec.check({entry: value}, where)


def _refuse_lists(entry: str, values: list[Any] | tuple[Any, ...], where: str) -> None:
    for value in values:
        if is_list(value):
            raise ConfigError(
                f"{where}.{entry} holds a list, {value!r:.60}: a search draws one number for an operand; formats "
                "of single channels or weights go into [passes] or come from training"
            )


def for_arithmetic(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a drawn table without the entries that its arithmetic does not know, and the others of its space do."""
    name = table.get("name")
    if name is None or name not in QUANTIZERS:
        return dict(table)
    known = frozenset(QUANTIZERS[name].known_keys())
    return {entry: value for entry, value in table.items() if entry in known}


def _specs(names: list[Any], where: str) -> list[QuantizerSpec]:
    """The quantizers named; "integer" stands in for none, so that typing errors are still found."""
    try:
        return [QUANTIZERS[name] for name in names if name is not None] or [QUANTIZERS["integer"]]
    except UnknownNameError as error:
        raise UnknownNameError(f"{where}.name: {error}") from None


def check_seed_fits(choices: Choices, mase_op: str, where: str) -> None:
    """Check that the entries are enough for an operation, whichever arithmetic is drawn.

    Raises:
        ConfigError: an entry that the operation needs is missing.
    """
    first = {entry: values[0] for entry, values in choices.items()}
    for name in choices["name"]:
        if name is not None:
            QUANTIZERS[name].parse(mase_op, for_arithmetic({**first, "name": name}), where)
