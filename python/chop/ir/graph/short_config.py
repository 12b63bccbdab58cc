"""A quantize config from short rules: ``{"fc1": "w4.2 x8.4", "re:.*conv.*": "w6.4 x8.4"}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import KNOWN_OPS
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.nn.quantizers.short_form import parse_short
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

Rule = str | Mapping[str, Any] | None
PATTERN = "re:"


def quantize_config(model: nn.Module | MaseGraph, rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return the quantize config that short rules mean for a model; a config with ``by`` is returned as it is.

    Args:
        model: a module or its graph.
        rules: key -> format. A key is a node (``fc1``), the path of a layer (``layers.0``), a pattern of nodes after
            ``re:``, an operation (``linear``) or ``default``; what is more exact wins, in that order. A format is text
            like ``"w4.2 x8.4"``, what :func:`chop.fixed` returns, or None (and ``"float"``) for a layer left alone.

    Returns:
        A config for the evaluator, the passes and a TOML file. Layers without a rule stay float.

    Raises:
        ConfigError: a key that is none of these, a format that cannot be read.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> config = quantize_config(net, {"linear": "w4.2 x8.4", "2": "w8.6 x8.4"})
    >>> config["by"], [key for key in config if key != "by"]
    ('regex_name', ['_2', '(?:_0|_2)', 'default'])
    """
    if "by" in rules:
        return dict(rules)
    if not rules:
        raise ConfigError("quantize: there are no rules; one is written like {'linear': 'w4.2 x8.4'}")
    graph = model if isinstance(model, MaseGraph) else MaseGraph(model)
    targets = QuantizeTargets.of(graph)
    kinds: dict[str, dict[str, Rule]] = {
        "name": {},
        "regex_name": {},
        "type": {},
        "default": {"default": None},
    }
    for key, rule in rules.items():
        kind, meant = _kind_of(key, targets)
        kinds[kind][meant] = rule
    used = [kind for kind in ("name", "regex_name", "type") if kinds[kind]]
    by = used[0] if len(used) == 1 else "regex_name"
    found: dict[str, Any] = {"by": by}
    for kind in (*used, "default"):
        for key, rule in kinds[kind].items():
            found[_key_for(by, kind, key, targets)] = {"config": _config_of(key, rule)}
    return found


def _kind_of(key: str, targets: QuantizeTargets) -> tuple[str, str]:
    if not isinstance(key, str):
        raise ConfigError(f"quantize: a rule's key must be text, got {key!r}")
    if key == "default":
        return "default", key
    if key.startswith(PATTERN):
        return "regex_name", key.removeprefix(PATTERN)
    if key in targets.ops:
        return "name", key
    layers = [node for node, target in targets.modules.items() if target == key and node in targets.ops]
    if layers:
        return "name", layers[0]
    if key in KNOWN_OPS:
        return "type", key
    known = [*targets.ops, *KNOWN_OPS, "default"]
    listed = ", ".join(f"{node} ({op})" for node, op in targets.ops.items()) or "none"
    raise ConfigError(
        f"quantize: {key!r} is neither a node that can be quantized nor an operation{did_you_mean(key, known)}; nodes: "
        f"{listed}"
    )


def _key_for(by: str, kind: str, key: str, targets: QuantizeTargets) -> str:
    if kind == by or kind == "default":
        return key
    if kind == "name":
        return re.escape(key)
    nodes = [node for node, op in targets.ops.items() if op == key]
    return f"(?:{'|'.join(map(re.escape, nodes))})" if nodes else key


def _config_of(key: str, rule: Rule) -> dict[str, Any]:
    if rule is None:
        return {"name": None}
    if isinstance(rule, str):
        try:
            return parse_short(rule)
        except ConfigError as error:
            raise ConfigError(f"quantize: {key}: {error}") from None
    if isinstance(rule, Mapping):
        return dict(rule.get("config", rule))
    raise ConfigError(f"quantize: {key} must be a format such as 'w4.2 x8.4', got {rule!r}")
