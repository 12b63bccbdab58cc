"""The arguments of the redefine pass, checked, and the rule that each node gets from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chop.ir.graph import MaseGraph
from chop.ir.graph.op_rows import OP_ROWS
from chop.ir.graph.ops import KNOWN_OPS, find_row
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

KINDS = ("output_only", "both", "input_only")
BY = ("name", "type", "regex_name")
WEIGHTS = ("fresh", "inherit")
RULE_KEYS = ("name", "channel_multiplier", "parent_block_name")

# Layers with an input and an output width of their own, and layers whose one width is that of their input.
RESIZED_OPS = ("linear", "conv1d", "conv2d")
NORM_OPS = ("batch_norm1d", "batch_norm2d")
# What has no width: a rule on such a layer (the labs name ReLUs) changes nothing, but its widths must meet.
WIDTHLESS_OPS = tuple(row.mase_op for row in OP_ROWS if row.methods == (row.mase_op, f"{row.mase_op}_"))
REDEFINABLE_OPS = (*RESIZED_OPS, *NORM_OPS, "relu", "relu6", "leaky_relu", "dropout", "identity")

# A mistyped multiplier should not fill the memory.
WIDEST, MOST_WEIGHTS = 2**20, 2**30

_WHERE = "redefine"


@dataclass(frozen=True, slots=True)
class RedefineRule:
    """What a config says of one node.

    Attributes:
        kind: output_only, both or input_only.
        multiplier: new over old width of the output; None where it is not given.
        parent: the node whose multiplier the input takes; None: that of whatever feeds it.
    """

    kind: str
    multiplier: float | None
    parent: str | None

    @property
    def scales_input(self) -> bool:
        return self.kind in ("both", "input_only")

    @property
    def scales_output(self) -> bool:
        return self.kind in ("both", "output_only")


@dataclass(frozen=True, slots=True)
class RedefineArguments:
    """Checked arguments: node -> rule, in graph order, and how weights are made."""

    rules: dict[str, RedefineRule]
    inherit: bool
    seed: int | None


def read_arguments(graph: MaseGraph, pass_args: Mapping[str, Any] | None) -> RedefineArguments:
    """Check the arguments of :func:`redefine_transform_pass` against a graph; nothing is changed.

    Raises:
        ConfigError: bad structure, key or value; the message has the key path.
    """
    if not isinstance(pass_args, Mapping):
        raise ConfigError(f"{_WHERE}: pass_args must be a table with 'config', got {pass_args!r}")
    options, config = _split(pass_args)
    weights, seed = options.get("weights", "fresh"), options.get("seed")
    if weights not in WEIGHTS:
        hint = did_you_mean(weights, WEIGHTS)
        raise ConfigError(f"{_WHERE}: weights must be one of {', '.join(WEIGHTS)}, got {weights!r}{hint}")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise ConfigError(f"{_WHERE}: seed must be a whole number of at least 0, got {seed!r}")
    return RedefineArguments(_rules(graph, config), weights == "inherit", seed)


def _split(pass_args: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Options and config. The config may lie under ``config`` (MASE's form) or be the arguments themselves."""
    options = {key: pass_args[key] for key in ("weights", "seed") if key in pass_args}
    rest = {key: value for key, value in pass_args.items() if key not in options}
    if "config" not in rest:
        return options, rest
    for key in rest:
        if key != "config":
            hint = did_you_mean(key, ["config", "weights", "seed"])
            raise ConfigError(f"{_WHERE}: key {key!r} beside 'config' is not known{hint}")
    if not isinstance(rest["config"], Mapping):
        raise ConfigError(f"{_WHERE}: config must be a table, got {rest['config']!r}")
    return options, rest["config"]


def _rules(graph: MaseGraph, config: Mapping[str, Any]) -> dict[str, RedefineRule]:
    by = config.get("by", "name")
    check_by(by, _WHERE)
    tables = {key: _table(key, entry) for key, entry in config.items() if key != "by"}
    parsed = {key: _rule(table, f"{_WHERE}: {key}") for key, table in tables.items()}
    check_node_keys(graph, parsed, by, _WHERE)
    modules = graph.modules
    rules = {}
    for node in graph.nodes:
        row = find_row(node, modules)
        mase_op = row.mase_op if row is not None else node.op
        key = key_of(node.name, mase_op, by, parsed)
        rule = parsed.get(key)
        if rule is None:
            continue
        if node.op != "call_module" or mase_op not in (*REDEFINABLE_OPS, *WIDTHLESS_OPS):
            if key == "default" or by != "name":
                continue  # a rule for whatever it fits
            known = ", ".join(REDEFINABLE_OPS[:6])
            raise ConfigError(
                f"{_WHERE}: {key}: node {node.name} is of the operation {mase_op!r} ({node.op}), which has no "
                f"channels to redefine; layers that have: {known}"
            )
        rules[node.name] = rule
    _check_parents(graph, rules)
    return rules


def check_by(by: object, where: str) -> None:
    """Refuse a ``by`` that is not name, type or regex_name."""
    if by not in BY:
        raise ConfigError(f"{where}: by must be one of {', '.join(BY)}, got {by!r}{did_you_mean(by, BY)}")


def check_node_keys(graph: MaseGraph, keys: Mapping[str, Any], by: str, where: str) -> None:
    """Refuse keys that are no node, no operation, or a pattern that matches nothing; "default" is fine."""
    names = [node.name for node in graph.nodes]
    for key in keys:
        if key == "default":
            continue
        if by == "regex_name":
            try:
                found = any(re.fullmatch(key, name) for name in names)
            except re.error as error:
                raise ConfigError(f"{where}: key {key!r} is not a valid pattern: {error}") from None
            known, what = names, "a pattern that matches a node"
        else:
            known, what = (names, "a node") if by == "name" else (sorted(KNOWN_OPS), "an operation")
            found = key in known
        if not found:
            hint = did_you_mean(key, ["default", *known])
            raise ConfigError(f"{where}: key {key!r} is not {what} of this graph{hint}")


def key_of(node: str, mase_op: str, by: str, keys: Mapping[str, Any]) -> str:
    """Return the key of the table that a node takes; "default" where it has none of its own."""
    if by == "regex_name":
        return next((key for key in keys if key != "default" and re.fullmatch(key, node)), "default")
    own = mase_op if by == "type" else node
    return own if own in keys else "default"


def _table(key: object, entry: object) -> Mapping[str, Any]:
    if not isinstance(key, str):
        raise ConfigError(f"{_WHERE}: a rule's key must be text, got {key!r}")
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
        raise ConfigError(f"{_WHERE}: {key} must be a table with a table 'config', got {entry!r}")
    for extra in entry:
        if extra != "config":
            raise ConfigError(f"{_WHERE}: {key}.{extra} is not known; a rule holds only 'config'")
    return entry["config"]


def _rule(table: Mapping[str, Any], where: str) -> RedefineRule | None:
    for key in table:
        if key not in RULE_KEYS:
            hint = did_you_mean(key, RULE_KEYS)
            raise ConfigError(f"{where}.{key} is not known{hint}; known: {', '.join(RULE_KEYS)}")
    kind, multiplier = table.get("name"), table.get("channel_multiplier")
    parent = table.get("parent_block_name")
    if kind is not None and kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        raise ConfigError(f"{where}.name must be one of {', '.join(KINDS)} or None, got {kind!r}{hint}")
    if multiplier is not None:
        check_multiplier(multiplier, f"{where}.channel_multiplier")
    if parent is not None and not isinstance(parent, str):
        raise ConfigError(f"{where}.parent_block_name must be the name of a node, got {parent!r}")
    if kind in ("both", "output_only") and multiplier is None:
        raise ConfigError(f"{where}.channel_multiplier is missing: {kind} changes the output's channels")
    return None if kind is None else RedefineRule(kind, multiplier, parent)


def check_multiplier(value: object, where: str) -> None:
    """Refuse what is not a number above 0, or one so large that it can only be a slip."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value <= WIDEST:  # type: ignore[operator]
        raise ConfigError(f"{where} must be a number above 0 and at most {WIDEST}, got {value!r}")


def _check_parents(graph: MaseGraph, rules: Mapping[str, RedefineRule]) -> None:
    seen: list[str] = []
    for node in graph.nodes:
        rule = rules.get(node.name)
        if rule is not None and rule.parent is not None and rule.scales_input and rule.parent not in seen:
            hint = did_you_mean(rule.parent, seen)
            raise ConfigError(
                f"{_WHERE}: {node.name}.parent_block_name must be a node before {node.name}, "
                f"got {rule.parent!r}{hint}"
            )
        seen.append(node.name)
