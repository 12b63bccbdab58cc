"""Mixed-precision post-training quantization: choices for each config entry of each quantizable node.

Source: MASE's ``graph/quantize/mixed_precision_ptq``. MASE samples by node and then looks the result up by
operation when ``by = "type"``, so nothing sampled is ever used; here ``by`` only says how a node finds its
seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chop.search.seed import check_seed, check_seed_fits, for_arithmetic
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.ir.graph.mase_graph import MaseGraph

SEED = "search.search_space.seed"

# What MASE gives to nodes that the sampled config does not name; every quantizable node is named.
DEFAULT_CONFIG: dict[str, Any] = {
    "config": {
        "name": "integer",
        "bypass": True,
        "bias_frac_width": 5,
        "bias_width": 8,
        "data_in_frac_width": 5,
        "data_in_width": 8,
        "weight_frac_width": 3,
        "weight_width": 8,
    }
}


class QuantizationSpace:
    """Choices for each quantizable node of a graph.

    Args:
        graph: the float model's graph; it is not changed.
        by: how a node finds its seed: "type" (its operation), "name", or "regex_name" (the first pattern that matches
            its name).
        seed: key -> ``{"config": {entry: [choices]}}``; a node without a key of its own takes ``default``.

    Attributes:
        choices_flattened: ``"<node>/config/<entry>"`` -> choices, in graph order.
        choice_lengths_flattened: the same keys -> how many.
        unused_keys: keys of the seed that no node takes its choices from.
        default_config: the ``default`` entry of every sampled config.

    Raises:
        ConfigError: a key that is neither operation nor node, a pattern that matches nothing, an empty list
            of choices, a choice that the quantizer refuses, a node without choices; the message holds the key
            path.
        UnknownNameError: an unknown arithmetic.

    >>> from torch import nn
    >>> from chop import MaseGraph
    >>> graph = MaseGraph(nn.Sequential(nn.Linear(16, 5)))
    >>> width = {f"{o}_{f}": [8] for o in ("data_in", "weight", "bias") for f in ("width", "frac_width")}
    >>> seed = {"default": {"config": {"name": ["integer", None], **width, "weight_width": [2, 4]}}}
    >>> space = QuantizationSpace(graph, "name", seed)
    >>> space.size
    4
    """

    def __init__(self, graph: MaseGraph, by: str, seed: Mapping[str, Any]) -> None:
        self.by = by
        self.default_config = DEFAULT_CONFIG
        self._seed, self.unused_keys = check_seed(seed, by, graph, SEED)
        self._nodes: dict[str, dict[str, list[Any]]] = {}
        self._twins: dict[str, str] = {}
        first_call: dict[Any, str] = {}
        for node, mase_op, module in quantizable_nodes(graph):
            key = self._key_of(node, mase_op)
            check_seed_fits(self._seed[key], mase_op, f"{SEED}.{key}.config")
            if module is not None and first_call.setdefault(module, node) != node:
                self._twins[node] = first_call[module]  # one module, one set of weights, one choice
            else:
                self._nodes[node] = self._seed[key]
        if not self._nodes:
            raise ConfigError(
                "search.search_space: the model has no node that can be quantized (linear or relu)"
            )
        self._flat = [
            (f"{node}/config/{entry}", node, entry, choices)
            for node, table in self._nodes.items()
            for entry, choices in table.items()
        ]
        self.choices_flattened = {name: list(choices) for name, _, _, choices in self._flat}
        self.choice_lengths_flattened = {name: len(choices) for name, _, _, choices in self._flat}

    @property
    def nodes(self) -> dict[str, dict[str, list[Any]]]:
        """Node -> entry -> choices, in graph order; nodes that call one module together are one."""
        return self._nodes

    def calls_of(self, node: str) -> list[str]:
        """Return one of :attr:`nodes` and the other calls of its module."""
        return [node, *(twin for twin, first in self._twins.items() if first == node)]

    def node_config(self, node: str, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return a config that quantizes one of :attr:`nodes` only, and those that share its module."""
        rules = {name: {"config": for_arithmetic(table)} for name in self.calls_of(node)}
        return {"by": "name", "default": {"config": {"name": None}}, **rules}

    @property
    def size(self) -> int:
        """Number of index combinations."""
        product = 1
        for length in self.choice_lengths_flattened.values():
            product *= length
        return product

    def _key_of(self, node: str, mase_op: str) -> str:
        if self.by == "regex_name":
            patterns = (key for key in self._seed if key != "default" and re.fullmatch(key, node))
            key = next(patterns, "default")
        else:
            own = mase_op if self.by == "type" else node
            key = own if own in self._seed else "default"
        if key not in self._seed:
            raise ConfigError(f"{SEED}.default is missing: node {node!r} ({mase_op}) has no key of its own")
        return key

    def flattened_indexes_to_config(self, indexes: Mapping[str, int]) -> dict[str, Any]:
        """Return the config of one point of the space.

        Args:
            indexes: ``"<node>/config/<entry>"`` -> index into its choices; an entry with one choice may be
                left out.

        Returns:
            Node -> ``{"config": …}``, ``default`` and ``by`` = "name" (the keys are nodes whatever the seed
            goes by): what ``quantize_transform_pass`` and ``Evaluator`` take.

        Raises:
            KeyError: an entry with several choices is missing.
            IndexError: an index beyond the choices.
        """
        config: dict[str, Any] = {node: {"config": {}} for node in self._nodes}
        for name, node, entry, choices in self._flat:
            index = indexes[name] if len(choices) > 1 else indexes.get(name, 0)
            config[node]["config"][entry] = choices[index]
        config = {node: {"config": for_arithmetic(rule["config"])} for node, rule in config.items()}
        for node, first in self._twins.items():
            config[node] = {"config": dict(config[first]["config"])}
        config["default"] = {"config": dict(self.default_config["config"])}
        config["by"] = "name"
        return config


def quantizable_nodes(graph: MaseGraph) -> list[tuple[str, str, str | None]]:
    """Return (node, operation, module or None) of each node that a config can quantize, in graph order."""
    from chop.ir.graph.quantize_config import resolve_quantize_config

    nothing = {"by": "name", "default": {"config": {"name": None}}}
    modules = {node.name: str(node.target) for node in graph.nodes if node.op == "call_module"}
    rules = resolve_quantize_config(graph, nothing)
    return [(rule.node, rule.mase_op, modules.get(rule.node)) for rule in rules]
