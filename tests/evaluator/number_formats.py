"""Configs of every number format, and the quantized graph with layers that sum in float64 and round once."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from chop import MaseGraph
from chop.nn.quantized.modules import QuantizedConv1d, QuantizedConv2d, QuantizedLinear
from chop.passes import quantize_transform_pass

OPERANDS = ("data_in", "weight", "bias")


def fields(name: str, **values: Any) -> dict[str, Any]:
    """A config with the same values for each operand."""
    return {"name": name, **{f"{o}_{key}": value for o in OPERANDS for key, value in values.items()}}


FORMATS: dict[str, dict[str, Any]] = {
    "minifloat_ieee": fields("minifloat_ieee", width=6, exponent_width=3, exponent_bias=None),
    "minifloat_ieee_wide": fields("minifloat_ieee", width=12, exponent_width=5, exponent_bias=None),
    "minifloat_denorm": fields("minifloat_denorm", width=6, exponent_width=3, exponent_bias=None),
    "log": fields("log", width=4, exponent_bias=None),
    "block_fp": fields("block_fp", width=5, exponent_width=8, exponent_bias=None, block_size=[1, 4]),
    "block_minifloat": fields(
        "block_minifloat", width=6, exponent_width=2, exponent_bias_width=6, block_size=[1, 4]
    ),
    "block_log": fields("block_log", width=4, exponent_bias_width=8, block_size=[1, 4]),
    "block_fp_few_exponents": fields(
        "block_fp", width=4, exponent_width=2, exponent_bias=None, block_size=[1, 4]
    ),
    "block_minifloat_few_biases": fields(
        "block_minifloat", width=5, exponent_width=2, exponent_bias_width=2, block_size=[1, 4]
    ),
    "block_log_few_biases": fields("block_log", width=3, exponent_bias_width=2, block_size=[1, 4]),
    "binary": fields("binary", width=1, stochastic=False, bipolar=True),
    "binary_scaled": fields("binary", width=1, stochastic=False, bipolar=False),
    "ternary": fields("ternary", width=2, scaling_factor=False),
    "ternary_scaled": fields("ternary", width=2, scaling_factor=True),
    "scale_integer": fields("scale_integer", width=6),
    "scale_integer_given": fields("scale_integer", width=8, scale=0.0625),
    **{
        name: {"name": name}
        for name in ("mxint8", "mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4")
    },
}


def by_type(*ops: str, config: dict[str, Any]) -> dict[str, Any]:
    """A quantize config that gives some operations one format."""
    return {"by": "type", "default": {"config": {"name": None}}, **{op: {"config": config} for op in ops}}


def quantized(model: nn.Module, config: dict[str, Any]) -> nn.Module:
    """The quantized graph of a model."""
    return quantize_transform_pass(MaseGraph(model), config)[0].model.eval()


def with_wide_sums(model: nn.Module) -> nn.Module:
    """The same graph with layers whose sums are made in float64 and rounded to float32 once."""
    for module in model.modules():
        if isinstance(module, QuantizedLinear | QuantizedConv1d | QuantizedConv2d):
            module.forward = _wide(module)
    return model


def _wide(layer: Any) -> Any:
    def forward(x: torch.Tensor) -> torch.Tensor:
        operands = [layer._quantized_input(x), layer.get_quantized_weight(), layer._quantized_bias()]
        x, weight, bias = (None if each is None else each.double() for each in operands)
        if isinstance(layer, nn.Linear):
            return F.linear(x, weight, bias).float()
        call = F.conv1d if isinstance(layer, nn.Conv1d) else F.conv2d
        return call(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups).float()

    return forward


def ulps(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest distance in units of the last place of the larger magnitude."""
    scale = torch.maximum(a.abs(), b.abs()).clamp(min=2.0**-120)
    unit = 2.0 ** (scale.double().log2().floor() - 23)
    return float(((a.double() - b.double()).abs() / unit).max())
