"""Mixed-precision post-training quantization as a search space; the space itself is in ``chop.search``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from chop.actions.search.search_space.registry import SEARCH_SPACES
from chop.actions.search.validation import StrictTable
from chop.search.quantization_space import DEFAULT_CONFIG, QuantizationSpace, quantizable_nodes

if TYPE_CHECKING:
    from chop.ir.graph.mase_graph import MaseGraph

__all__ = ["DEFAULT_CONFIG", "GraphSearchSpaceMixedPrecisionPTQ", "QuantizationSetup", "quantizable_nodes"]


class QuantizationSetup(StrictTable):
    """A node finds its choices by its operation, its name, or the first pattern that matches its name."""

    by: Literal["type", "name", "regex_name"]


@SEARCH_SPACES.register("graph/quantize/mixed_precision_ptq")
class GraphSearchSpaceMixedPrecisionPTQ(QuantizationSpace):
    """See :class:`~chop.search.quantization_space.QuantizationSpace`."""

    Setup: ClassVar[Any] = QuantizationSetup

    def __init__(self, graph: MaseGraph, setup: QuantizationSetup, seed: Mapping[str, Any]) -> None:
        super().__init__(graph, setup.by, seed)
