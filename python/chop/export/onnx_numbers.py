"""Number formats beside the fixed-point grids as ONNX nodes, in double."""

from __future__ import annotations

import numpy as np

from chop.export.onnx_builder import OnnxBuilder
from chop.nn.quantizers import NumberFormat
from chop.nn.quantizers.number_formula import values_of


def on_numbers(b: OnnxBuilder, x: str, format: NumberFormat) -> str:
    """Add nodes that bring ``x``, float32, to the numbers of a format without blocks."""
    import onnx

    wide = b.op("Cast", [x], to=onnx.TensorProto.DOUBLE)
    return b.op("Cast", [values_of(_Nodes(b), wide, format)], to=onnx.TensorProto.FLOAT)


class _Nodes:
    """The formula's arithmetic as nodes; a value is its name."""

    def __init__(self, b: OnnxBuilder) -> None:
        self.b = b

    def _value(self, x: str | float) -> str:
        return x if isinstance(x, str) else self.b.scalar(x, np.float64)

    def _op(self, kind: str, *operands: str | float) -> str:
        return self.b.op(kind, [self._value(x) for x in operands])

    def add(self, x: str, y: float) -> str:
        return self._op("Add", x, y)

    def mul(self, x: str, y: str | float) -> str:
        return self._op("Mul", x, y)

    def div(self, x: str, y: str | float) -> str:
        return self._op("Div", x, y)

    def abs(self, x: str) -> str:
        return self._op("Abs", x)

    def round(self, x: str) -> str:
        return self._op("Round", x)

    def clip(self, x: str, low: float, high: float) -> str:
        return self._op("Clip", x, low, high)

    def at_least(self, x: str, y: float) -> str:
        return self._op("GreaterOrEqual", x, y)

    def above(self, x: str, y: float) -> str:
        return self._op("Greater", x, y)

    def where(self, condition: str, yes: str | float, no: str | float) -> str:
        return self._op("Where", condition, yes, no)
