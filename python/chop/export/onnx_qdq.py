"""Target ``onnx``: QuantizeLinear and DequantizeLinear pairs, in which runtimes find integer kernels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chop.export.onnx_builder import OnnxBuilder, save
from chop.export.onnx_layers import LAYERS, build
from chop.export.onnx_rules import EXECUTORS, refusals, run_everywhere
from chop.export.target import Refusal, Sample, Target, operands, register
from chop.integers import QuantizedView, ViewNode, sums_of
from chop.nn.quantizers import IntegerFormat

_MOST_BITS = 16
_SAFE_CODE = (
    64  # two products of larger ones pass 16 bits, in which processors without 8-bit dot products add
)
_ARITHMETIC = "onnx-arithmetic"


def container(format: IntegerFormat) -> type[np.generic]:
    """Return the type that holds codes: 8 or 16 bits. Runtimes err with activations in 4 and 2 bits."""
    if format.is_signed:
        return np.int8 if format.width <= 8 else np.int16
    return np.uint8 if format.width <= 8 else np.uint16


class QdqStyle:
    """Codes in 8 or 16 bits, clipped before where the format is narrower."""

    sums_in_double = True

    def quantize(self, b: OnnxBuilder, x: str, format: IntegerFormat, alone: bool = False) -> str:
        """Add the quantizer of an activation."""
        kind, zero = container(format), 0
        if (
            alone and kind == np.int8
        ):  # onnxruntime 1.32 loads no int8 that only moves behind its DequantizeLinear
            kind, zero = np.uint8, 128
        if format.width not in (8, 16):
            ends = [b.scalar(code * format.scale) for code in (format.qmin, format.qmax)]
            x = b.op("Clip", [x, *ends])
        grid = [b.scalar(format.scale), b.scalar(zero, kind)]
        codes = b.op("QuantizeLinear", [x, *grid])
        return b.op("DequantizeLinear", [codes, *grid])

    def parameter(self, b: OnnxBuilder, node: ViewNode, name: str, flip: bool = False) -> str:
        """Add a weight as codes; a bias as 32-bit codes of the products' grid, the only one that kernels assume."""
        full, zero = f"{node.name}.{name}", 0
        if name == "weight":
            format = node.one_format(name)
            kind, scale, codes = container(format), format.scale, node.codes(name)
            if flip and np.dtype(container(node.one_format("data_in"))).itemsize > 1:
                kind = np.int16  # of 8-bit ones onnxruntime makes MatMulNBits, which rounds data to 8 bits
            if kind == np.int8 and np.abs(codes).max(initial=0) > _SAFE_CODE:
                kind, zero = np.uint8, 128  # kernels with unsigned weights add in 32 bits everywhere
        else:
            sums = sums_of(node)
            codes = node.codes(name) * 2**sums.bias_shift
            kind, scale = np.int32, 2.0**-sums.frac_width
        grid = [b.scalar(scale), b.scalar(zero, kind)]
        stored = b.constant(((codes.T if flip else codes) + zero).astype(kind))
        return b.op("DequantizeLinear", [stored, *grid], full)


@register
class OnnxQdq(Target):
    """ONNX, opset 21, QuantizeLinear and DequantizeLinear."""

    name, file = "onnx", "model.onnx"
    writer, executor = ("onnx",), EXECUTORS
    as_numbers = ("onnx",)  # codes have no sign of zero

    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        yield from refusals(view)
        for node in view:
            for operand in operands(node):
                yield from _format(node, operand)
            if node.op in LAYERS and node.is_quantized:
                yield from _sums(node)

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        b = OnnxBuilder()
        values = build(b, view, QdqStyle())
        inputs = [(values[node.name], node.shape) for node in view.inputs]
        save(b.model(inputs, (values[view.output], view[view.output].shape), "chop"), path)

    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        return run_everywhere(path, x)


def _sums(node: ViewNode) -> Iterator[Refusal]:
    sums = sums_of(node)
    if not sums.fits_float32:
        reason = f"float32 sums would depend on their order; bound {sums.bound:,}"
        yield Refusal(node.name, "", reason, _ARITHMETIC)
    elif sums.weight_shift:
        fraction = sums.frac_width - sums.weight_shift
        reason = f"runtimes round a bias to the grid of the products, {fraction} fraction bits"
        yield Refusal(node.name, "bias", reason, _ARITHMETIC)


def _format(node: ViewNode, operand: str) -> Iterator[Refusal]:
    format = node.one_format(operand)
    if operand == "bias":  # it is written on the grid of the sums
        return
    if format.width > _MOST_BITS:
        reason = f"QuantizeLinear has 8 and 16 bits, not {format.width}"
        yield Refusal(node.name, operand, reason, _ARITHMETIC)
    if operand == "data_in" or node.op not in LAYERS:
        if format.rounding != "half_even":
            yield Refusal(node.name, operand, f"rounds half to even only, not {format.rounding}", _ARITHMETIC)
        if format.overflow != "saturate":
            yield Refusal(node.name, operand, "saturates only", _ARITHMETIC)
