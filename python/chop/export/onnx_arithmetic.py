"""Target ``onnx-arithmetic``: quantizers written out as multiply, round, clip; any width, rounding and overflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chop.export.onnx_builder import OnnxBuilder, save
from chop.export.onnx_layers import build, grid_values
from chop.export.onnx_numbers import on_numbers
from chop.export.onnx_rules import EXECUTORS, refusals, run_everywhere
from chop.export.target import Refusal, Sample, Target, register
from chop.integers import QuantizedView, ViewNode
from chop.nn.quantizers import IntegerFormat, NumberFormat


class ArithmeticStyle:
    """Quantizers from plain arithmetic on float32, each step of which is exact but the rounding."""

    sums_in_double = True

    def quantize(
        self, b: OnnxBuilder, x: str, format: IntegerFormat | NumberFormat, alone: bool = False
    ) -> str:
        """Add the quantizer of an activation."""
        if isinstance(format, NumberFormat):
            return on_numbers(b, x, format)
        v = b.op("Mul", [x, b.scalar(2.0**format.frac_width)])
        codes = self._rounded(b, x, v, format)
        if format.overflow == "wrap":
            codes = self._wrapped(b, x, v, codes, format)
        else:
            ends = [b.scalar(format.qmin), b.scalar(format.qmax)]
            codes = b.op("Clip", [codes, *ends])
        return b.op("Mul", [codes, b.scalar(format.scale)])

    def _rounded(self, b: OnnxBuilder, x: str, v: str, format: IntegerFormat) -> str:
        if format.rounding == "half_even":
            return b.op("Round", [v])
        if format.rounding == "half_up":
            return self._up_from(b, v, 0.5)
        floor = b.op("Floor", [v])
        if format.frac_width >= 0:
            return floor
        below = b.op("Min", [floor, b.scalar(-1.0)])  # x may be so small that v became zero
        return b.op("Where", [b.op("Less", [x, b.scalar(0.0)]), below, floor])

    def _up_from(self, b: OnnxBuilder, v: str, part: float) -> str:
        """One more than the floor where ``v`` lies so far above it; to add first would round the sum."""
        import onnx

        floor = b.op("Floor", [v])
        up = b.op("GreaterOrEqual", [b.op("Sub", [v, floor]), b.scalar(part)])
        return b.op("Add", [floor, b.op("Cast", [up], to=onnx.TensorProto.FLOAT)])

    def _wrapped(self, b: OnnxBuilder, x: str, v: str, codes: str, format: IntegerFormat) -> str:
        turns = b.op("Mul", [codes, b.scalar(2.0**-format.width)])
        # Without sign nothing is added, but +0 made of -0, which keeps the sign of the code.
        whole = self._up_from(b, turns, 0.5 if format.is_signed else 2.0)
        rest = b.op("Sub", [codes, b.op("Mul", [whole, b.scalar(2.0**format.width)])])
        if format.frac_width <= 0:
            return rest
        # A finite number whose v is infinite is a multiple of the modulus; an infinite one gives NaN.
        return b.op("Where", [b.op("IsInf", [v]), b.op("Sub", [x, x]), rest])

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
    takes_features = takes_numbers = True

    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        yield from refusals(view)

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        b = OnnxBuilder()
        values = build(b, view, ArithmeticStyle())
        inputs = [(values[node.name], node.shape) for node in view.inputs]
        save(b.model(inputs, (values[view.output], view[view.output].shape), "chop"), path)

    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        return run_everywhere(path, x)
