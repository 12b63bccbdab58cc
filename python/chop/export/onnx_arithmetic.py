"""Target ``onnx-arithmetic``: quantizers written out as multiply, round, clip; any width, rounding and overflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chop.export.onnx_builder import OnnxBuilder, save
from chop.export.onnx_layers import build, grid_values
from chop.export.onnx_rules import EXECUTORS, refusals, run_everywhere
from chop.export.target import Refusal, Sample, Target, register
from chop.integers import QuantizedView, ViewNode
from chop.nn.quantizers import IntegerFormat


class ArithmeticStyle:
    """Quantizers from plain arithmetic on float32, each step of which is exact but the rounding."""

    sums_in_double = True

    def quantize(self, b: OnnxBuilder, x: str, format: IntegerFormat) -> str:
        """Add the quantizer of an activation."""
        codes = self._rounded(b, b.op("Mul", [x, b.scalar(2.0**format.frac_width)]), format)
        if format.overflow == "wrap":
            codes = self._wrapped(b, codes, format)
        else:
            ends = [b.scalar(format.qmin), b.scalar(format.qmax)]
            codes = b.op("Clip", [codes, *ends])
        return b.op("Mul", [codes, b.scalar(format.scale)])

    def _rounded(self, b: OnnxBuilder, x: str, format: IntegerFormat) -> str:
        if format.rounding == "half_even":
            return b.op("Round", [x])
        floor = b.op("Floor", [x])
        if format.rounding == "floor":
            return floor
        rest = b.op("Sub", [x, floor])  # adding a half first would round the sum
        return b.op("Add", [floor, self._reaches_half(b, rest)])

    def _reaches_half(self, b: OnnxBuilder, x: str) -> str:
        import onnx

        up = b.op("GreaterOrEqual", [x, b.scalar(0.5)])
        return b.op("Cast", [up], to=onnx.TensorProto.FLOAT)

    def _wrapped(self, b: OnnxBuilder, codes: str, format: IntegerFormat) -> str:
        turns = b.op("Mul", [codes, b.scalar(2.0**-format.width)])
        whole = b.op("Floor", [turns])
        if format.is_signed:
            rest = b.op("Sub", [turns, whole])
            whole = b.op("Add", [whole, self._reaches_half(b, rest)])
        off = b.op("Mul", [whole, b.scalar(2.0**format.width)])
        return b.op("Sub", [codes, off])

    def parameter(self, b: OnnxBuilder, node: ViewNode, name: str, flip: bool = False) -> str:
        """Add a weight or bias as float32 numbers on the grid."""
        values = grid_values(node, name)
        return b.constant(values.T if flip else values, f"{node.name}.{name}")


@register
class OnnxArithmetic(Target):
    """ONNX, opset 21, quantizers as arithmetic."""

    name, file = "onnx-arithmetic", "model.onnx"
    writer, executor = ("onnx",), EXECUTORS
    as_numbers = ("onnx.reference",)

    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        yield from refusals(view)

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        b = OnnxBuilder()
        values = build(b, view, ArithmeticStyle())
        inputs = [(values[node.name], node.shape) for node in view.inputs]
        save(b.model(inputs, (values[view.output], view[view.output].shape), "chop"), path)

    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        return run_everywhere(path, x)
