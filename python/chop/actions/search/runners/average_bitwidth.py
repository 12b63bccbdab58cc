"""Average weight width of the quantized linear layers, and the memory density that follows from it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from torch import nn

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
    """The cost model ``average_bitwidth``, and ``compare_to`` over it.

    Counts, as MASE does, the linear layers that the config quantizes (a bypassed one at its width; a layer
    left in float is not counted). Where none is quantized the width is 32, and a warning says so once.
    """

    first_batch: ClassVar[int] = 1000  # microseconds each
    metrics: ClassVar[tuple[str, ...]] = ("average_bitwidth", "memory_density")
    parallel: ClassVar[bool] = True
    Options: ClassVar[Any] = AverageBitwidthOptions

    def __init__(self, context: SearchContext, options: AverageBitwidthOptions) -> None:
        from chop.cost import Costs
        from chop.ir.graph.quantize_targets import QuantizeTargets

        self.compare_to = options.compare_to
        self._shared = context.shared
        self._targets = QuantizeTargets(context.graph)
        self._shapes = linear_weights(context.graph)
        self._costs: Costs | None = None
        with contextlib.suppress(
            ValueError
        ):  # a node that only torch knows: the linear layers are counted alone
            self._costs = Costs(context.graph, models=("average_bitwidth",), input_shapes=context.row_shape)

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]:
        if self._costs is not None:
            average = self._costs.evaluate(config)["average_bitwidth"]
        else:
            from chop.cost.linear_layers import average_bitwidth

            average = average_bitwidth(self._shapes, self._bits(config))
        if average == FLOAT_BITS and not self._shared.get(WARNED) and not self._bits(config):
            self._shared[WARNED] = True
            logger.warning(
                "a sampled config quantizes no linear layer: its average_bitwidth counts as %d", FLOAT_BITS
            )
        return {"average_bitwidth": average, "memory_density": self.compare_to / average}

    def _bits(self, config: Mapping[str, Any]) -> dict[str, float]:
        """Widths of the weights of those linear layers that the config quantizes."""
        from chop.ir.graph.quantize_config import resolve_quantize_config

        found = {rule.node: weight_width(rule) for rule in resolve_quantize_config(self._targets, config)}
        return {name: bits for name, bits in found.items() if name in self._shapes and bits is not None}


def linear_weights(graph: MaseGraph) -> dict[str, tuple[int, ...]]:
    """Return node -> shape of its weight for the linear layers; one that several nodes call counts once."""
    modules = graph.modules
    shapes: dict[str, tuple[int, ...]] = {}
    seen = set()
    for node in graph.nodes:
        layer = modules[str(node.target)] if node.op == "call_module" else None
        if isinstance(layer, nn.Linear) and node.target not in seen:
            seen.add(node.target)
            shapes[node.name] = tuple(layer.weight.shape)
    return shapes


def weight_width(rule: NodeRule) -> float | None:
    """Bits of the weight under ``rule``; None where the rule leaves the node in float or has no weight."""
    if rule.config is None:
        return None
    weight = rule.formats.get("weight") if rule.formats is not None else None
    width = weight.width if weight is not None else rule.config.get("weight_width")
    return None if width is None else float(width)
