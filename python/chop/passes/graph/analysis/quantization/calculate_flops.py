"""The name under which the labs' programs look for the work of a module."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from chop.passes.graph.analysis.flop_estimator.calculator import calculate_modules


def calculate_flops_pass(
    module: nn.Module, in_data: Tensor | Sequence[Tensor], out_data: Tensor | Sequence[Tensor]
) -> dict[str, float]:
    """Return :func:`calculate_modules` of one module and its data."""
    return calculate_modules(module, in_data, out_data)
