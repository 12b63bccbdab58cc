"""The cost model ``average_bitwidth`` for linear layers alone, whatever else is in their model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chop import _core
from chop.ir.graph.lowering_call import BATCH

MODEL = "average_bitwidth"


def average_bitwidth(weights: Mapping[str, Sequence[int]], bits: Mapping[str, float]) -> float:
    """Return the cost model's figure for a set of linear layers.

    For models that cannot be lowered as a whole, or are not traced; the definition is the cost model's.

    Args:
        weights: layer -> shape of its weight, [outputs, inputs]; a shared weight once.
        bits: width of the weights of those layers that are quantized.

    >>> average_bitwidth({"a": (3, 2), "b": (1, 2)}, {"a": 4, "b": 8}), average_bitwidth({"a": (3, 2)}, {})
    (5.0, 32.0)
    """
    builder = _core.GraphBuilder()
    builder.add("input", "input", [], {}, {}, [BATCH, 1])
    nodes = {name: f"layer{number}" for number, name in enumerate(weights)}
    for name, node in nodes.items():
        outputs, inputs = weights[name]
        builder.add(f"{node}.input", "input", [], {}, {}, [BATCH, inputs])
        builder.add(node, "linear", [f"{node}.input"], {}, {"weight": [outputs, inputs]}, [])
    costs = _core.Costs(builder.build([*nodes.values(), "input"][0]), 1, [MODEL], set())
    positions = {row["name"]: number for number, row in enumerate(costs.operations)}
    widths = [
        _core.NodeWidths(positions[nodes[name]], True, 32.0, width, 32.0, None, width)
        for name, width in bits.items()
    ]
    return float(_core.NamedTotals(costs, [MODEL]).of(widths)[MODEL])
