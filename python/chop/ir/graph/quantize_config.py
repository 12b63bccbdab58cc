"""From a quantize config to the formats of each node: the decision that pass and evaluator share."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import (
    KNOWN_OPS,
    QUANTIZEABLE_OP,
    find_row,
    is_number,
    quantizeable_op,
)
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.nn.quantized.layer_shapes import refuse_misfits
from chop.nn.quantizers import ElementFormat, IntegerFormat, QuantizerSpec, check_quantizer_config
from chop.nn.quantizers.element_format import is_list, plain_numbers
from chop.registry import did_you_mean, found_instead
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)

MOST_NAMED = 12  # nodes, in a message
BY = ("type", "name", "regex_name")
_WHERE = "quantize"


@dataclass(frozen=True, slots=True)
class NodeRule:
    """What a quantize config says about one quantizable node.

    Attributes:
        node: name of the node.
        mase_op: its operation, e.g. ``"linear"``.
        rule: key of the config that applied, ``"default"`` included.
        config: that key's config, arrays as lists; None where its name is None: the node stays (or becomes) float.
        quantizer: canonical name of the arithmetic, None for a node left alone.
        formats: operand -> format, of the operands that are quantized; None for a node left alone or bypassed.
    """

    node: str
    mase_op: str
    rule: str
    config: Mapping[str, Any] | None
    quantizer: str | None
    formats: Mapping[str, IntegerFormat | ElementFormat] | None


def resolve_quantize_config(mg: MaseGraph | QuantizeTargets, config: Mapping[str, Any]) -> list[NodeRule]:
    """Decide for each quantizable node of a graph, in graph order, which rule of a quantize config it gets.

    Args:
        mg: any traced graph, or the snapshot of one; no metadata needed.
        config: ``{"by": "type" | "name" | "regex_name", "default": {"config": …}, <key>: {"config": …}}``;
            never changed. Keys are operations, node names, or patterns for ``re.fullmatch`` (the first hit
            counts).

    Raises:
        ConfigError: bad structure, key, value or pattern, or no rule for a node; the message has the key
            path.
        UnknownNameError: an unknown arithmetic.

    >>> from torch import nn
    >>> graph = MaseGraph(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    >>> relu = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}
    >>> rules = resolve_quantize_config(
    ...     graph, {"by": "type", "default": {"config": {"name": None}}, "relu": {"config": relu}}
    ... )
    >>> [(rule.node, rule.rule, rule.quantizer) for rule in rules]
    [('_0', 'default', None), ('_1', 'relu', 'integer')]
    """
    targets = QuantizeTargets.of(mg)
    by, rules = _read_rules(config)
    check_rule_keys(rules, by, targets, _WHERE, warn=False)
    specs = {key: check_quantizer_config(table, f"{_WHERE}: {key}") for key, table in rules.items()}
    patterns = _patterns(by, rules)
    if by == "name":
        _refuse_relatives(targets, rules)
    resolved = []
    first: dict[str, NodeRule] = {}
    for name, mase_op in targets.ops.items():
        key = _rule_key(name, mase_op, by, rules, patterns)
        rule = _node_rule(name, mase_op, key, rules[key], specs[key], name in targets.modules)
        refuse_misfits(rule.formats, targets.shapes.get(name, {}), f"{_WHERE}: node {name}: {key}")
        if module := targets.modules.get(name):
            _refuse_conflict(rule, first.setdefault(module, rule), module)
        resolved.append(rule)
    return resolved


def check_rule_keys(
    keys: Iterable[str], by: str, mg: MaseGraph | QuantizeTargets, where: str, warn: bool = True
) -> list[str]:
    """Check the keys of a quantize config, or of a search space's seed, against a graph.

    Args:
        keys: the rule keys; ``"default"`` is always fine.
        by: type, name or regex_name.
        mg: the graph, or the snapshot of one.
        where: what an error message opens with, e.g. ``"search.search_space.seed"``.
        warn: log one warning that lists the keys that apply to nothing.

    Returns:
        The keys that apply to no node: a known operation that the graph lacks, or a key of the other kind.

    Raises:
        ConfigError: a key that is neither a known operation nor a node, a pattern that is invalid or matches
            nothing.
    """
    _check_by(by, where)
    targets = QuantizeTargets.of(mg)
    unused = []
    for key in keys:
        if key == "default":
            continue
        if by == "regex_name":
            if not _matches(key, targets.names, where) & set(targets.ops):
                unused.append(key)
            continue
        if key not in KNOWN_OPS and key not in targets.names:
            known = "an operation nor a node of this graph"
            hint = did_you_mean(key, ["default", *_nodes_first(by, targets)])
            nodes = ", ".join(list(targets.ops)[:MOST_NAMED]) + (
                ", …" if len(targets.ops) > MOST_NAMED else ""
            )
            raise ConfigError(f"{where}: key {key!r} is neither {known}{hint}; nodes: {nodes or 'none'}")
        if key not in (targets.ops if by == "name" else targets.present):
            unused.append(key)
    if unused and warn:
        listed = ", ".join(repr(key) for key in unused)
        logger.warning(
            "%s: with by = %r these keys apply to no node that can be quantized: %s", where, by, listed
        )
    return unused


def nodes_left_float(mg: MaseGraph, config: Mapping[str, Any]) -> list[str]:
    """Name the nodes that compute in float although a rule of a (valid) config asks for a quantized form.

    They are calls without a quantized twin: ``F.linear``, relatives of ``Linear``, sums with
    ``out=``. Arithmetic on sizes is none of them.
    """
    by, rules = _read_rules(config)
    patterns = _patterns(by, rules)
    modules = mg.modules
    left = []
    for node in mg.nodes:
        row = find_row(node, modules)
        known = row is not None and row.mase_op in QUANTIZEABLE_OP
        if row is None or not known or quantizeable_op(node, modules) or is_number(node, modules):
            continue
        key = _chosen_key(node.name, row.mase_op, by, rules, patterns)
        if key in rules and rules[key].get("name") is not None:
            left.append(node.name)
    return left


def _nodes_first(by: str, targets: QuantizeTargets) -> tuple[str, ...]:
    """Every word that a key may be, those that ``by`` asks for first."""
    return (*KNOWN_OPS, *targets.names) if by == "type" else (*targets.names, *KNOWN_OPS)


def _check_by(by: object, where: str) -> None:
    if by not in BY:
        raise ConfigError(f"{where}: by must be one of {', '.join(BY)}, got {by!r}{did_you_mean(by, BY)}")


def _matches(pattern: str, names: Iterable[str], where: str) -> set[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{where}: key {pattern!r} is not a valid pattern: {error}") from None
    found = {name for name in names if compiled.fullmatch(name)}
    if not found:
        hint = did_you_mean(pattern, ["default", *names])
        raise ConfigError(f"{where}: pattern {pattern!r} matches no node of this graph{hint}")
    return found


def _read_rules(config: Mapping[str, Any]) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """Split a config into ``by`` and ``key -> quantizer table``."""
    if not isinstance(config, Mapping):
        raise ConfigError(f"{_WHERE}: the config must be a table with 'by' and rules, got {config!r}")
    if "by" not in config:
        found = found_instead("by", config)
        raise ConfigError(f"{_WHERE}: 'by' is missing{found}; it is one of {', '.join(BY)}")
    _check_by(config["by"], _WHERE)
    rules: dict[str, Mapping[str, Any]] = {}
    for key, entry in config.items():
        if key == "by":
            continue
        if not isinstance(key, str):
            raise ConfigError(f"{_WHERE}: a rule's key must be text, got {key!r}")
        if not _is_table(entry) or not _is_table(entry.get("config")):
            found = found_instead("config", entry) if isinstance(entry, Mapping) else ""
            raise ConfigError(f"{_WHERE}: {key} must be a table with a table 'config', got {entry!r}{found}")
        if len(entry) > 1:
            extra = [name for name in entry if name != "config"]
            raise ConfigError(f"{_WHERE}: {key}.{extra[0]} is not known; a rule holds only 'config'")
        rules[key] = entry["config"]
    return config["by"], rules


def _is_table(value: object) -> bool:
    return type(value) is dict or isinstance(value, Mapping)  # asked for each rule of each trial


def _patterns(by: str, rules: Iterable[str]) -> list[tuple[str, re.Pattern[str]]]:
    return [(key, re.compile(key)) for key in rules if key != "default"] if by == "regex_name" else []


def _rule_key(
    name: str, mase_op: str, by: str, rules: Mapping[str, Any], patterns: list[tuple[str, re.Pattern[str]]]
) -> str:
    key = _chosen_key(name, mase_op, by, rules, patterns)
    if key not in rules:
        raise ConfigError(
            f"{_WHERE}: 'default' is missing, and node {name} ({mase_op}) has no rule of its own"
        )
    return key


def _chosen_key(
    name: str, mase_op: str, by: str, rules: Mapping[str, Any], patterns: list[tuple[str, re.Pattern[str]]]
) -> str:
    if by == "regex_name":
        return next((key for key, pattern in patterns if pattern.fullmatch(name)), "default")
    key = mase_op if by == "type" else name
    return key if key in rules else "default"


def _node_rule(
    name: str,
    mase_op: str,
    key: str,
    table: Mapping[str, Any],
    spec: QuantizerSpec | None,
    as_layer: bool,
) -> NodeRule:
    if spec is None:
        return NodeRule(name, mase_op, key, None, None, None)
    if any(is_list(value) for value in table.values()):
        table = {field: plain_numbers(value) for field, value in table.items()}
    # Parsed for a bypassed node too: it keeps its widths for the metadata and the averages.
    formats = spec.parse(mase_op, table, f"{_WHERE}: {key}", as_layer)
    return NodeRule(name, mase_op, key, table, spec.name, None if table.get("bypass", False) else formats)


def _refuse_conflict(rule: NodeRule, first: NodeRule, target: str) -> None:
    if rule.config != first.config:
        raise ConfigError(
            f"{_WHERE}: nodes {first.node} and {rule.node} call the same module {target}, "
            "so both need the same config"
        )


def _refuse_relatives(targets: QuantizeTargets, rules: Mapping[str, Mapping[str, Any]]) -> None:
    """A node asked for by name must not stay float silently for being an unknown relative of Linear."""
    for node, what in targets.relatives.items():
        if node in rules and rules[node].get("name") is not None:
            raise ConfigError(f"{_WHERE}: node {node} is a {what}, which has no quantized form")
