"""The seed of a channel space, checked choice by choice before the first trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chop.registry import did_you_mean, found_instead
from chop.search.seed import Choices, check_choices, check_seed_fits
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.ir.graph.mase_graph import MaseGraph

logger = get_logger(__name__)

SEED = "search.search_space.seed"
TABLES = ("config", "quantize")


@dataclasses.dataclass
class NodeChoices:
    """The choices of one node.

    Attributes:
        config: entries of the redefine pass -> choices.
        quantize: entries of its quantizer -> choices; empty where it stays in float.
        twins: further nodes that call the same layer, and so get the same.
    """

    config: Choices
    quantize: Choices
    twins: list[str] = dataclasses.field(default_factory=list)

    def tables(self) -> list[tuple[str, Choices]]:
        """The tables that have entries, by name."""
        return [(name, table) for name in TABLES if (table := getattr(self, name))]


def read_seed(graph: MaseGraph, by: str, seed: Mapping[str, Any]) -> tuple[dict[str, NodeChoices], list[str]]:
    """Return node -> choices, for nodes that have any, and the keys of the seed that apply to no node.

    Raises:
        ConfigError: a key that is no node (or operation, or pattern), a table or choice that cannot be used.
        UnknownNameError: an unknown arithmetic.
    """
    from chop.ir.graph.ops import find_row, quantizeable_op
    from chop.passes.graph.transforms.redefine.rules import REDEFINABLE_OPS, check_node_keys, key_of

    tables = {key: _tables(table, f"{SEED}.{key}") for key, table in seed.items()}
    check_node_keys(graph, tables, by, SEED)
    modules = graph.modules
    nodes: dict[str, NodeChoices] = {}
    used: set[str] = set()
    first_call: dict[Any, str] = {}
    for node in graph.nodes:
        row = find_row(node, modules)
        key = key_of(node.name, row.mase_op if row is not None else node.op, by, tables)
        if key not in tables or row is None or node.op != "call_module":
            continue
        config, quantize = tables[key]
        quantized_op = quantizeable_op(node, modules)
        fits = row.mase_op in REDEFINABLE_OPS
        if not fits and not (quantize and quantized_op):
            continue
        used.add(key)
        if first_call.setdefault(node.target, node.name) != node.name:
            nodes[first_call[node.target]].twins.append(node.name)
            continue
        if quantize and quantized_op:
            check_seed_fits(quantize, quantized_op, f"{SEED}.{key}.quantize")
        nodes[node.name] = NodeChoices(
            _with_effect(config, node.name) if fits else {"name": [None]}, quantize if quantized_op else {}
        )
    if not used - {"default"}:
        raise ConfigError(
            f"{SEED}: no layer of the model has choices; its keys are {', '.join(map(repr, seed))}"
        )
    quiet = {name: c for name, c in nodes.items() if c.quantize or c.config != {"name": [None]} or c.twins}
    return quiet, [key for key in tables if key not in used and key != "default"]


def _tables(table: object, where: str) -> tuple[Choices, Choices]:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table with a config table of choices, got {table!r}")
    for key in table:
        if key not in TABLES:
            raise ConfigError(
                f"{where}.{key} is not known{did_you_mean(key, TABLES)}; known: config, quantize"
            )
    if "config" not in table:
        raise ConfigError(
            f"{where}.config is missing{found_instead('config', table)}; it holds lists of choices"
        )
    for key in table:
        if not isinstance(table[key], Mapping):
            raise ConfigError(f"{where}.{key} must be a table of choices, got {table[key]!r}")
    config, quantize = dict(table["config"]), dict(table.get("quantize", {}))
    _check_redefinition(config, f"{where}.config")
    if quantize:
        check_choices(quantize, f"{where}.quantize")
    return config, quantize


def _check_redefinition(choices: Choices, where: str) -> None:
    from chop.passes.graph.transforms.redefine.rules import KINDS, RULE_KEYS, check_multiplier

    for entry, values in choices.items():
        if entry not in RULE_KEYS:
            hint = did_you_mean(entry, RULE_KEYS)
            raise ConfigError(f"{where}.{entry} is not known{hint}; known: {', '.join(RULE_KEYS)}")
        if not isinstance(values, (list, tuple)) or not values:
            raise ConfigError(f"{where}.{entry} must be a list of at least one choice, got {values!r}")
    if "name" not in choices:
        known = f"it is a list of {', '.join(KINDS)}, or NA"
        raise ConfigError(f"{where}.name is missing{found_instead('name', choices)}; {known}")
    for kind in choices["name"]:
        if kind is not None and kind not in KINDS:
            hint = did_you_mean(kind, KINDS)
            raise ConfigError(f"{where}.name must hold {', '.join(KINDS)} or NA, got {kind!r}{hint}")
    for value in choices.get("channel_multiplier", ()):
        check_multiplier(value, f"{where}.channel_multiplier")
    if {"both", "output_only"} & set(choices["name"]) and "channel_multiplier" not in choices:
        raise ConfigError(f"{where}.channel_multiplier is missing: the output's channels are to change")


def _with_effect(choices: Choices, node: str) -> Choices:
    """The entries that can matter: an input takes its parent's multiplier, so its own is no choice."""
    kinds = set(choices["name"]) - {None}
    if not kinds:
        return {"name": [None]}
    if kinds != {"input_only"}:
        return dict(choices)
    if len(choices.get("channel_multiplier", ())) > 1:
        logger.info(
            "%s: the input of %s takes its parent's multiplier; its own choices of channel_multiplier have no "
            "effect and are left out", SEED, node
        )  # fmt: skip
    return {entry: values for entry, values in choices.items() if entry != "channel_multiplier"}
