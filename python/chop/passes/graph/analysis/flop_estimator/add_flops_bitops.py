"""FLOPs and BitOPs of a graph under one of three named definitions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from chop.cost import Costs
from chop.ir.graph import MaseGraph
from chop.ir.graph.mase_graph import forward_inputs
from chop.passes.graph.registry import pass_table, register_pass
from chop.registry import Registry, did_you_mean
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)

# Definition -> the cost models of its FLOPs and its BitOPs.
DEFINITIONS: Registry[tuple[str, str]] = Registry("definition of FLOPs")
DEFINITIONS["mase"] = ("flops", "bitops")
DEFINITIONS["arithmetic"] = ("flops_arithmetic", "bitops_arithmetic")
DEFINITIONS["with_bias"] = ("flops_with_bias", "bitops_with_bias")

_KEYS = ("definition", "batch")


@register_pass("add_flops_bitops", "analysis")
def add_flops_bitops_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, float, float, dict[str, dict[str, Any]]]:
    """Count the floating-point and the bit operations of a graph, with the widths that it is quantized to.

    Args:
        graph: a graph with common metadata (its stored shapes are used; nothing is run), or pass ``batch``.
        pass_args: ``definition``: ``"mase"`` (default), ``"arithmetic"`` or ``"with_bias"``; what they count
            is the definition of the cost models in :data:`DEFINITIONS`. ``batch``: rows, instead of the
            metadata's.

    Returns:
        The graph, FLOPs, BitOPs, and node name -> ``{"op", "flops", "bitops"}``. Both figures are logged with
        what they count.

    Raises:
        ConfigError: an unknown key, a bad batch, or neither metadata nor ``batch``.
        UnknownNameError: an unknown definition.

    >>> from torch import nn
    >>> graph = MaseGraph(nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5), nn.ReLU()))
    >>> _, flops, bitops, breakdown = add_flops_bitops_analysis_pass(graph, {"batch": 8})
    >>> flops, bitops, [row["flops"] for row in breakdown.values()]
    (1320, 42240, [512, 128, 640, 40])
    """
    arguments = pass_table(pass_args, "add_flops_bitops")
    for key in arguments:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            raise ConfigError(f"add_flops_bitops.{key} is not known{hint}; known: {', '.join(_KEYS)}")
    names = DEFINITIONS[arguments.get("definition", "mase")]
    batch = arguments["batch"] if "batch" in arguments else _stored_batch(graph)
    if type(batch) is not int or batch < 1:
        raise ConfigError(f"add_flops_bitops.batch must be a whole number from 1 on, got {batch!r}")
    costs = Costs(graph, batch, names)
    flops, bitops = costs.report()
    for row in (flops, bitops):
        logger.info("%s: %s %s at batch %d: %s", row.name, row.total, row.unit, batch, row.definition)
    breakdown = {
        row["name"]: {"op": row["op"], "flops": flops.nodes[row["name"]], "bitops": bitops.nodes[row["name"]]}
        for row in costs.operations
        if row["op"] != "input"
    }
    return graph, flops.total, bitops.total, breakdown


def _stored_batch(graph: MaseGraph) -> int:
    for node in forward_inputs(graph.fx_graph):
        meta = node.meta.get("mase")
        results = meta["common"].get("results", {}) if meta is not None else {}
        if shape := results.get("data_out_0", {}).get("shape"):
            return int(shape[0])
    raise ConfigError(
        "add_flops_bitops: the graph has no common metadata to read the batch from; pass 'batch'"
    )
