"""Average weight bits of a model's quantized linear layers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch import nn

from chop.cost.linear_layers import average_bitwidth

logger = logging.getLogger(__name__)


def calculate_avg_bits_module_analysis_pass(
    module: nn.Module, pass_args: Mapping[str, Any] | None = None
) -> tuple[nn.Module, dict[str, float]]:
    """Average ``weight_width`` over the weights of all ``nn.Linear`` layers that have a ``config``.

    Biases, float layers and other kinds of layers are left out; a bypassed layer counts with its width
    (MASE's definition, the cost model of that name). Without any such layer the answer is 32, with a warning.

    Args:
        module: the model.
        pass_args: unused.

    Returns:
        The module and ``{"average_bitwidth": bits}``.

    >>> calculate_avg_bits_module_analysis_pass(nn.Linear(2, 3))[1]
    {'average_bitwidth': 32.0}
    """
    shapes, bits = {}, {}
    for name, layer in module.named_modules():
        config = getattr(layer, "config", None)
        if isinstance(layer, nn.Linear) and isinstance(config, Mapping) and "weight_width" in config:
            shapes[name or "module"] = tuple(layer.weight.shape)
            bits[name or "module"] = float(config["weight_width"])
    if not bits:
        logger.warning("average_bitwidth: no linear layer is quantized; 32 bits are assumed")
    return module, {"average_bitwidth": average_bitwidth(shapes, bits)}
