"""Average weight width of the quantized linear layers, and the memory density that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from chop.actions.search.context import SearchContext
from chop.actions.search.runners import HW_RUNNERS
from chop.actions.search.validation import StrictTable
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.ir.graph.mase_graph import MaseGraph
    from chop.ir.graph.quantize_config import NodeRule

logger = get_logger(__name__)

FLOAT_BITS = 32
WARNED = "average_bitwidth: warned of a config without a quantized layer"


class AverageBitwidthOptions(StrictTable):
    """``compare_to``: bits a weight of the model that the density is measured against."""

    compare_to: float = Field(default=float(FLOAT_BITS), gt=0)


@HW_RUNNERS.register("average_bitwidth")
class AverageBitwidthRunner:
    """Sum of weight bits over number of weights.

    Counts, as MASE does, the linear layers that the config quantizes (a bypassed one at its width; a layer
    left in float is not counted). Where none is quantized the width is 32, and a warning says so once.
    """

    metrics: ClassVar[tuple[str, ...]] = ("average_bitwidth", "memory_density")
    Options: ClassVar[Any] = AverageBitwidthOptions

    def __init__(self, context: SearchContext, options: AverageBitwidthOptions) -> None:
        from chop.ir.graph.quantize_targets import QuantizeTargets

        self.targets = QuantizeTargets(context.graph)
        self.compare_to = options.compare_to
        self.weights = weights_of_nodes(context.graph)
        self._shared = context.shared

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]:
        from chop.ir.graph.quantize_config import resolve_quantize_config

        bits = weights = 0
        for rule in resolve_quantize_config(self.targets, config):
            width = weight_width(rule)
            if rule.mase_op == "linear" and width is not None:
                bits += self.weights.get(rule.node, 0) * width
                weights += self.weights.get(rule.node, 0)
        if weights == 0 and not self._shared.get(WARNED):
            self._shared[WARNED] = True
            logger.warning(
                "a sampled config quantizes no linear layer: its average_bitwidth counts as %d", FLOAT_BITS
            )
        average = bits / weights if weights else float(FLOAT_BITS)
        return {"average_bitwidth": average, "memory_density": self.compare_to / average}


def weights_of_nodes(graph: MaseGraph) -> dict[str, int]:
    """Return node -> number of weights; a module that several nodes call counts at the first of them."""
    modules = graph.modules
    counts: dict[str, int] = {}
    seen = set()
    for node in graph.nodes:
        weight = getattr(modules[node.target], "weight", None) if node.op == "call_module" else None
        if weight is not None and node.target not in seen:
            seen.add(node.target)
            counts[node.name] = int(weight.numel())
    return counts


def weight_width(rule: NodeRule) -> int | None:
    """Bits of the weight under ``rule``; None where the rule leaves the node in float or has no weight."""
    if rule.config is None:
        return None
    if rule.formats is not None:
        weight = rule.formats.get("weight")
        return None if weight is None else weight.width
    width = rule.config.get("weight_width")
    return None if width is None else int(width)
