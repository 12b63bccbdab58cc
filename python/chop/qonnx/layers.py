"""Layers with weights: Conv, Gemm and MatMul behind Quant nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from chop.nn.quantizers import IntegerFormat
from chop.qonnx.builder import Builder, Value
from chop.qonnx.file import Node
from chop.qonnx.quant import exact_format, parameter_of


def conv(b: Builder, node: Node) -> Value:
    """Add a convolution."""
    x = b.read(node)
    weight, bias, formats = _parameters(b, node, node.inputs[1:3])
    spatial = weight.ndim - 2
    if spatial not in (1, 2):
        raise node.refuse(f"its weight has the shape {list(weight.shape)}; one and two dimensions are read")
    if node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise node.refuse("auto_pad is not read: write pads")
    kernel = node.wholes("kernel_shape", weight.shape[2:])
    strides, dilations = (node.wholes(name, [1] * spatial) for name in ("strides", "dilations"))
    pads, groups = node.wholes("pads", [0] * (2 * spatial)), node.whole("group", 1)
    before, after = pads[:spatial], pads[spatial:]
    if kernel != list(weight.shape[2:]) or not (1 <= groups <= len(weight)):
        raise node.refuse(f"kernel_shape {kernel} and group {groups} do not suit {list(weight.shape)}")
    _check_sizes(node, pads, strides + dilations)
    if before != after:
        sides = [side for pair in zip(before[::-1], after[::-1], strict=True) for side in pair]
        x, before = b.call(node, F.pad, x, sides), [0] * spatial
    kind: Any = nn.Conv1d if spatial == 1 else nn.Conv2d
    channels = weight.shape[1] * groups
    settings = (channels, len(weight), tuple(kernel), tuple(strides), tuple(before), tuple(dilations))
    return _layer(
        b, node, x, lambda: kind(*settings, groups=groups, bias=bias is not None), weight, bias, formats
    )


def _check_sizes(node: Node, pads: list[int], steps: list[int]) -> None:
    if not all(0 <= pad <= 1 << 12 for pad in pads) or not all(1 <= step <= 1 << 12 for step in steps):
        raise node.refuse(f"pads {pads}, strides and dilations {steps} must be 0 or 1 to 4096")


def gemm(b: Builder, node: Node) -> Value:
    """Add a linear layer that is written as Gemm."""
    a = node.attributes
    if a.get("alpha", 1.0) != 1 or a.get("beta", 1.0) != 1 or a.get("transA", 0):
        raise node.refuse("alpha and beta must be 1, and transA 0")
    if len(b.read(node).shape) != 1:
        raise node.refuse("needs rows of numbers")
    weight, bias, formats = _parameters(b, node, node.inputs[1:3])
    return _linear(b, node, weight if a.get("transB", 0) else weight.T, bias, formats)


def matmul(b: Builder, node: Node) -> Value | None:
    """Add a linear layer that is written as MatMul, or a product of two activations.

    Returns:
        None where an Add with the bias follows: it makes the layer.
    """
    if len(node.inputs) != 2:
        raise node.refuse("needs two inputs")
    if not b.grids.is_parameter(node.inputs[1]):
        factors = b.grids.products_formats(node)
        made = b.call(node, torch.matmul, b.read(node), b.read(node, 1))
        if factors is None:
            raise node.refuse("needs a signed Quant before each of its inputs")
        b.quantize(made, data_in=factors[0], weight=factors[1])
        return made
    if (add := b.file.sole_reader(node.output)) is not None and _bias_of(b, add, node.output):
        return None
    weight, bias, formats = _parameters(b, node, node.inputs[1:])
    return _linear(b, node, weight.T, bias, formats)


def bias_added(b: Builder, add: Node) -> Value | None:
    """Make the layer of a MatMul and the Add behind it; None where an Add is none of a bias."""
    for name in add.inputs:
        product = b.file.producers.get(name)
        if product is None or product.op != "MatMul" or b.file.sole_reader(name) is not add:
            continue
        bias = _bias_of(b, add, name)
        if bias and b.grids.is_parameter(product.inputs[1]):
            layer = replace(product, label=add.label)
            weight, values, formats = _parameters(b, layer, (product.inputs[1], bias))
            return _linear(b, layer, weight.T, values, formats)
    return None


def _bias_of(b: Builder, add: Node, product: str) -> str:
    others = [name for name in add.inputs if name != product]
    if add.op != "Add" or len(add.inputs) != 2 or len(others) != 1 or not b.grids.is_parameter(others[0]):
        return ""
    values = parameter_of(b.file, add, others[0])[0]
    return others[0] if values.ndim and values.size == values.shape[-1] else ""


def _parameters(
    b: Builder, node: Node, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray | None, dict[str, IntegerFormat]]:
    """Weight, bias and the formats of the layer."""
    if not names:
        raise node.refuse("has no weight")
    weight, weight_format = parameter_of(b.file, node, names[0])
    if weight_format is None:
        raise node.refuse(
            "its weight has no Quant: the sums of a float layer depend on the order of additions"
        )
    if not weight.size or weight.ndim < 2:
        raise node.refuse(f"its weight has the shape {list(weight.shape)}")
    formats = {"data_in": b.grids.data_format(node), "weight": weight_format}
    if len(names) < 2 or not names[1]:
        return weight, None, formats
    bias, bias_format = parameter_of(b.file, node, names[1])
    if bias_format is None:
        bias_format = exact_format(bias)
    if bias_format is None:
        raise node.refuse("its bias has no Quant, and no grid of 32 bits holds it: quantize it")
    formats["bias"] = bias_format
    return weight, bias, formats


def _linear(
    b: Builder, node: Node, weight: np.ndarray, bias: np.ndarray | None, formats: dict[str, IntegerFormat]
) -> Value:
    if weight.ndim != 2:
        raise node.refuse(f"its weight has the shape {list(weight.shape)}")
    outputs, inputs = weight.shape
    return _layer(
        b, node, b.read(node), lambda: nn.Linear(inputs, outputs, bias is not None), weight, bias, formats
    )


def _layer(
    b: Builder,
    node: Node,
    x: Value,
    make: Any,
    weight: np.ndarray,
    bias: np.ndarray | None,
    formats: dict[str, IntegerFormat],
) -> Value:
    if bias is not None and bias.size != len(weight):
        raise node.refuse(f"its bias has {bias.size} numbers for {len(weight)} outputs")
    try:
        module = make()
    except (ValueError, RuntimeError) as error:
        raise node.refuse(str(error).splitlines()[0]) from None
    module.weight = nn.Parameter(torch.from_numpy(np.array(weight)))
    if bias is not None:
        module.bias = nn.Parameter(torch.from_numpy(np.array(bias.reshape(-1))))
    made = b.layer(node, module, x)
    b.quantize(made, **formats)
    return made
