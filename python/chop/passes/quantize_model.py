"""One call from a float model to a quantized one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.short_config import quantize_config
from chop.passes.graph import quantize_transform_pass


def quantize(model: nn.Module, rules: Mapping[str, Any]) -> nn.Module:
    """Return a quantized copy of a model; the model itself does not change.

    Args:
        model: any model that torch.fx traces. rules: see :func:`chop.quantize_config`; a whole config too.

    Raises:
        ConfigError, UnknownNameError: rules that do not fit the model.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    >>> quantized = quantize(net, {"linear": "w4.2 x8.4"})
    >>> quantized(torch.ones(5, 4)).shape, type(quantized.get_submodule("0")).__name__
    (torch.Size([5, 2]), 'LinearInteger')
    """
    graph = MaseGraph(model)
    quantized, _ = quantize_transform_pass(graph, quantize_config(graph, rules))
    return quantized.model.train(model.training)
