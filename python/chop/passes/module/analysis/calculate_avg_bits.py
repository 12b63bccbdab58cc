"""Average weight bits of a model's quantized layers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from chop.cost.average import MODELS, average_bitwidth
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)


def calculate_avg_bits_module_analysis_pass(
    module: nn.Module, pass_args: Mapping[str, Any] | None = None
) -> tuple[nn.Module, dict[str, float]]:
    """Average ``weight_width`` over the weights of all layers that have a ``config``: the cost model of that name.

    Biases and float layers are left out; a bypassed layer counts with its width. Without any such layer the answer is
    32, with a warning.

    Args:
        module: the model, traced or not.
        pass_args: ``count``: ``"all"`` (default) or ``"mase"``, which looks at ``nn.Linear`` alone, as MASE does.

    Returns:
        The module and ``{"average_bitwidth": bits}``.

    Raises:
        ConfigError: an unknown argument or count.

    >>> calculate_avg_bits_module_analysis_pass(nn.Linear(2, 3))[1]
    {'average_bitwidth': 32.0}
    """
    arguments = dict(pass_args or {})
    count = arguments.pop("count", "all")
    if arguments:
        raise ConfigError(f"calculate_avg_bits_module: {next(iter(arguments))} is not known; known: count")
    if count not in MODELS:
        hint = did_you_mean(str(count), MODELS)
        raise ConfigError(f"calculate_avg_bits_module.count must be all or mase, got {count!r}{hint}")
    layers, quantized = [], False
    for layer in module.modules():
        config, weight = getattr(layer, "config", None), getattr(layer, "weight", None)
        if not isinstance(weight, Tensor):
            continue
        linear = isinstance(layer, nn.Linear)
        has_width = isinstance(config, Mapping) and "weight_width" in config
        bits = float(np.mean(config["weight_width"])) if has_width else None  # type: ignore[index]
        quantized = quantized or (has_width and (linear or count == "all"))
        layers.append((weight, bits, linear))
    if not quantized:
        what = "layer" if count == "all" else "linear layer"
        logger.warning("average_bitwidth: no %s is quantized; 32 bits are assumed", what)
    return module, {"average_bitwidth": average_bitwidth(layers, count)}
