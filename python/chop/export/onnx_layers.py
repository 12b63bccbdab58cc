"""Quantized operations as ONNX nodes, for any way of writing a quantizer and a weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from chop.export.onnx_builder import OnnxBuilder
from chop.export.onnx_operations import OPERATIONS, Maker
from chop.export.onnx_windows import convolution_in_double
from chop.integers import Format, QuantizedView, ViewNode, sums_of
from chop.nn.quantizers import ElementFormat
from chop.nn.quantizers.element_format import laid_over

LAYERS = frozenset({"linear", "conv1d", "conv2d"})
PRODUCTS = frozenset({"matmul", "bmm"})
OPERATION_NAMES = frozenset(OPERATIONS) | LAYERS | PRODUCTS | {"input"}


class Style(Protocol):
    """How one ONNX dialect writes quantizers and weights.

    Attributes:
        sums_in_double: whether sums that float32 does not hold exactly are written in double.
    """

    sums_in_double: bool

    def quantize(self, b: OnnxBuilder, x: str, format: Any, alone: bool = False) -> str:
        """Add the quantizer of an activation and return its value; ``alone`` if it is not a layer's own.

        ``format`` is an IntegerFormat, or a NumberFormat where the target takes those.
        """

    def parameter(self, b: OnnxBuilder, node: ViewNode, name: str, flip: bool = False) -> str:
        """Add a weight or bias on its grid and return its value; to ``flip`` is to put inputs before outputs."""


def build(
    b: OnnxBuilder, view: QuantizedView, style: Style, operations: dict[str, Maker] | None = None
) -> dict[str, str]:
    """Add every node of a view; returns chop's node -> name of its value."""
    makers = OPERATIONS if operations is None else operations
    values: dict[str, str] = {}
    for node in view:
        if node.op == "input":
            values[node.name] = b.unique(node.name)
            continue
        inputs = [values[name] for name in node.inputs]
        if node.is_quantized:
            inputs = _quantized(b, view, node, inputs, style)
        if node.op in LAYERS:
            values[node.name] = _layer(b, node, inputs, style)
        elif node.op in PRODUCTS:
            values[node.name] = b.op("MatMul", inputs, node.name)
        else:
            values[node.name] = makers[node.op](b, view, node, inputs)
    return values


def _on_grid(
    b: OnnxBuilder,
    x: str,
    shape: Sequence[int],
    format: Format,
    style: Style,
    alone: bool,
) -> str:
    """The quantizer of an activation; of features with formats of their own, each format is made and then chosen."""
    if not isinstance(format, ElementFormat):
        return style.quantize(b, x, format, alone)
    over = laid_over(format.shape, format.axis, (1, *shape))
    y = b.scalar(0.0)
    for each, mask in format.parts():
        y = b.op("Where", [b.constant(mask.reshape(over)), style.quantize(b, x, each, alone), y])
    return y


def _quantized(
    b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str], style: Style
) -> list[str]:
    """The values that a quantized node computes with; equal operands are quantized once."""
    names = ["data_in", "weight"] if node.op in PRODUCTS else ["data_in"] * len(inputs)
    alone = node.op.endswith("_scalar")  # runtimes drop x * 1, x + 0 and the like
    made: dict[tuple[str, str], str] = {}
    for place, (operand, x) in enumerate(zip(names, inputs, strict=True)):
        if operand not in node.formats:
            made[operand, x] = x
        elif (operand, x) not in made:
            shape = view[node.inputs[place]].shape
            made[operand, x] = _on_grid(b, x, shape, node.formats[operand], style, alone)
    return [made[key] for key in zip(names, inputs, strict=True)]


def _layer(b: OnnxBuilder, node: ViewNode, inputs: list[str], style: Style) -> str:
    import onnx

    wide = style.sums_in_double and node.is_quantized and not sums_of(node).fits_float32
    if wide and node.op != "linear":
        given = {name: grid_values(node, name) for name in ("weight", "bias") if name in node.values}
        return convolution_in_double(b, node, inputs[0], given)
    flip = node.op == "linear" and len(node.shape) > 1
    operands = [*inputs, style.parameter(b, node, "weight", flip)]
    operands += [style.parameter(b, node, "bias")] if "bias" in node.values else []
    if wide:  # double holds what float32 would round on the way
        operands = [b.op("Cast", [x], to=onnx.TensorProto.DOUBLE) for x in operands]
        return b.op("Cast", [_linear(b, node, operands, "")], node.name, to=onnx.TensorProto.FLOAT)
    return (_linear if node.op == "linear" else _conv)(b, node, operands, node.name)


def _linear(b: OnnxBuilder, node: ViewNode, operands: list[str], name: str) -> str:
    if len(node.shape) == 1:
        return b.op("Gemm", operands, name, transB=1)
    bias = operands[2:]
    product = b.op("MatMul", operands[:2], "" if bias else name)
    return b.op("Add", [product, *bias], name) if bias else product


def _conv(b: OnnxBuilder, node: ViewNode, operands: list[str], name: str) -> str:
    a = node.attributes
    before, after = a["padding"][::2], a["padding"][1::2]
    return b.op(
        "Conv",
        operands,
        name,
        kernel_shape=list(node.values["weight"].shape[2:]),
        pads=[*before, *after],
        strides=list(a["stride"]),
        dilations=list(a["dilation"]),
        group=int(a["groups"]),
    )


def grid_values(node: ViewNode, name: str) -> np.ndarray:
    """Return a parameter on its grid; zero has no sign there, as codes have none."""
    return node.on_grid(name) + np.float32(0)
