"""Average bits of inputs and weights over the layers with weights, from metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chop.ir.graph import MaseGraph
from chop.nn.quantizers import QUANTIZERS
from chop.nn.quantizers.value_spec import ValueSpec
from chop.passes.graph.registry import register_pass
from chop.tools.errors import ConfigError

_OPS = ("linear", "conv1d", "conv2d")


@register_pass("calculate_avg_bits_mg", "analysis")
def calculate_avg_bits_mg_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, float]]:
    """Average the precision entries of linear and convolution nodes, weighted by the number of elements.

    Args:
        graph: a graph with common metadata.
        pass_args: unused.

    Returns:
        The graph and a dict. ``data_avg_bit`` and ``w_avg_bit`` sum a precision's numbers, fraction width
        included (MASE's definition: 8 bits of which 4 are fraction count as 12). ``data_avg_width`` and
        ``w_avg_width`` count the width alone. Formats of single channels or weights count with their mean.

    Raises:
        ConfigError: no common metadata, or no such node.
    """
    entries: dict[str, list[tuple[int, Mapping[str, Any]]]] = {"data": [], "w": []}
    for node in graph.nodes:
        meta = node.meta.get("mase")
        if meta is None or "mase_op" not in meta["common"]:
            raise ConfigError(f"calculate_avg_bits_mg: node {node.name} has no common metadata")
        arguments = meta["common"]["args"]
        if meta["common"]["mase_op"] in _OPS and "weight" in arguments:
            for label, name in (("data", "data_in_0"), ("w", "weight")):
                entry = arguments[name]
                entries[label].append((math.prod(entry["shape"]), entry))
    if not entries["w"]:
        raise ConfigError(f"calculate_avg_bits_mg: the graph has no node of {', '.join(_OPS)}")
    sums = {f"{label}_avg_bit": _mean(found, _summed) for label, found in entries.items()}
    widths = {
        f"{label}_avg_width": _mean(found, lambda e: float(np.mean(e["precision"][0])))
        for label, found in entries.items()
    }
    return graph, {**sums, **widths}


def _summed(entry: Mapping[str, Any]) -> float:
    precision, spec = entry["precision"], QUANTIZERS.get(entry["type"])
    if isinstance(spec, ValueSpec):  # what is no number (a bias left open, a block size) counts for nothing
        return float(sum(part for part in precision if isinstance(part, (int, float))))
    # A fraction width left open is half of the width.
    widths = np.asarray(precision[0])
    return float(sum(np.mean(widths // 2 if part is None else part) for part in precision))


def _mean(found: list[tuple[int, Mapping[str, Any]]], bits: Any) -> float:
    return sum(size * bits(entry) for size, entry in found) / sum(size for size, _ in found)
