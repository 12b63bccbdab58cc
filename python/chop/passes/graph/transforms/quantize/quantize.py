"""The pass that puts quantized layers and functions into a graph."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from chop.ir.graph import MaseGraph
from chop.ir.graph.functional import refuse_writes
from chop.ir.graph.quantize_config import check_rule_keys, nodes_left_float, resolve_quantize_config
from chop.nn.quantizers import check_quantizer_config
from chop.passes.graph.graph_entries import graph_entries
from chop.passes.graph.precision import write_precision
from chop.passes.graph.registry import register_pass
from chop.passes.graph.ties import Ties
from chop.passes.graph.transforms.quantize.modify import apply_rule, refuse_layers, restore_floats
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)


@register_pass("quantize", "transform")
def quantize_transform_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Quantize the nodes of a graph in place, by operation, by node name, or by a pattern of names.

    The graph can be quantized again and again: each call describes the whole graph, and a node whose config
    has the name None is float afterwards. The model that the graph was made from never changes. A refused
    config changes nothing.

    Args:
        graph: any traced graph; metadata, where present, is brought up to date.
        pass_args: see :func:`chop.ir.graph.quantize_config.resolve_quantize_config`; never changed.

    Returns:
        The same graph, and ``{"rules": {node: key of the rule that it got}, "left_float": [nodes]}``. The
        first lists every node that can be quantized, the second those that a rule asked for but that have
        no quantized form.

    Raises:
        ConfigError, UnknownNameError: a config that does not fit the graph, with its key path.

    >>> from torch import nn
    >>> graph = MaseGraph(nn.Sequential(nn.Linear(2, 3)))
    >>> eight = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}
    >>> eight |= {"weight_width": 8, "weight_frac_width": 4}
    >>> graph, info = quantize_transform_pass(graph, {"by": "type", "default": {"config": eight}})
    >>> info["rules"]
    {'_0': 'default'}
    >>> type(graph.model.get_submodule("0")).__name__
    'LinearInteger'
    """
    if pass_args is None:
        raise ConfigError("quantize: pass_args must hold 'by' and rules, got None")
    rules = resolve_quantize_config(graph, pass_args)
    check_rule_keys([key for key in pass_args if key != "by"], pass_args["by"], graph, "quantize")
    if any(rule.config is not None for rule in rules):
        refuse_writes(graph.fx_graph, graph.modules, "quantize")
    left = nodes_left_float(graph, pass_args)
    if left:
        logger.warning("quantize: these nodes have no quantized form and stay float: %s", ", ".join(left))
    nodes = {node.name: node for node in graph.nodes}
    refuse_layers(graph, nodes, rules)
    ties = Ties(graph)
    for rule in rules:
        apply_rule(graph, nodes[rule.node], rule)
    restore_floats(graph)
    ties.tie(graph)
    graph.model.graph.lint()
    graph.model.recompile()
    modules = graph.modules
    for rule in rules:
        write_precision(nodes[rule.node], modules)
    if "mase" in graph.meta and graph.meta["mase"]["common"]:
        graph.meta["mase"]["common"] = graph_entries(graph)
    return graph, {"rules": {rule.node: rule.rule for rule in rules}, "left_float": left}


def parse_node_config(config: Mapping[str, Any], mase_op: str) -> dict[str, Any]:
    """Return a node's config with only the keys that ``mase_op`` uses, name and bypass included; checked.

    Raises:
        ConfigError, UnknownNameError: the quantizer refuses the config.

    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_width": 4}
    >>> parse_node_config(config, "relu")
    {'name': 'integer', 'data_in_width': 8, 'data_in_frac_width': 4}
    """
    spec = check_quantizer_config(config, mase_op)
    if spec is None:
        return dict(config)
    if spec.operations is None or mase_op in spec.operations:
        spec.parse(mase_op, config, mase_op)
    used = spec.used_keys(mase_op)
    return {key: value for key, value in config.items() if key in used}
