"""Where the quantizers of a file go: chop quantizes what an operation reads, QONNX has nodes between operations."""

from __future__ import annotations

from chop.nn.quantizers import IntegerFormat
from chop.qonnx.file import QUANTS, Node, QonnxGraph
from chop.qonnx.quant import as_signed, format_of, holds

# They move numbers or pick them, so that rounding before and after is the same.
MOVES = frozenset({"Reshape", "Flatten", "Transpose", "Slice", "Squeeze", "Unsqueeze", "Identity", "MaxPool"})
LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
_TWO_OPERANDS = frozenset({"Add", "Sub", "Mul"})


class Grids:
    """Answers about the grids of values, all from the file alone.

    Args:
        graph: of the file.
    """

    def __init__(self, graph: QonnxGraph) -> None:
        self.graph = graph
        self._on: dict[str, IntegerFormat | None] = {}
        for node in graph.nodes:  # in order, so that no chain is ever walked twice
            self._on[node.output] = self._grid(node)

    def on_grid(self, value: str) -> IntegerFormat | None:
        """Return the format whose grid a value is known to lie on."""
        return self._on.get(value)

    def _grid(self, node: Node) -> IntegerFormat | None:
        if node.op in QUANTS and node.inputs and not self.is_parameter(node.inputs[0]):
            return format_of(self.graph, node)
        if node.op in MOVES or node.op == "Relu":
            return self._on.get(node.inputs[0]) if node.inputs else None
        if node.op == "Concat":
            found = {self._on.get(name) for name in node.inputs}
            return found.pop() if len(found) == 1 else None
        return None

    def is_parameter(self, value: str) -> bool:
        """Whether a value is made of constants alone."""
        while value in self.graph.producers:
            maker = self.graph.producers[value]
            if maker.op not in ("Transpose", "Identity", *QUANTS) or not maker.inputs:
                return False
            value = maker.inputs[0]
        return value in self.graph.constants

    def quantizer_of(self, value: str) -> IntegerFormat | None:
        """Return the signed format of the Quant that rounds a value, with nothing but moves between."""
        while (maker := self.graph.producers.get(value)) is not None:
            if maker.op in QUANTS:
                found = self._on.get(value)
                return found if found is not None and found.is_signed else None
            if maker.op not in MOVES or not maker.inputs:
                return None
            value = maker.inputs[0]
        return None

    def data_format(self, layer: Node) -> IntegerFormat:
        """Return the signed format of the data of a layer.

        Raises:
            UnreadableError: nothing quantizes them.
        """
        found = self.on_grid(layer.inputs[0])
        if found is None:
            raise layer.refuse(
                f"no Quant is before its input {layer.inputs[0]!r}; chop quantizes data and weight together"
            )
        signed = as_signed(found)
        if signed is None:
            raise layer.refuse("its unsigned data need more bits than chop's signed formats have")
        return signed

    def shared_format(self, node: Node) -> IntegerFormat | None:
        """Return the format that an elementwise operation reads all its operands in, None where it has none."""
        constants = [name for name in node.inputs if name in self.graph.constants]
        formats = {self.quantizer_of(name) for name in node.inputs if name not in self.graph.constants}
        if node.op not in _TWO_OPERANDS or len(formats) != 1:
            return None
        found = formats.pop()
        numbers = [self.graph.constants[name] for name in constants]
        if found is None or not all(n.size == 1 and holds(found, n) for n in numbers):
            return None
        return found

    def products_formats(self, node: Node) -> tuple[IntegerFormat, IntegerFormat] | None:
        """Return the formats of both factors of a MatMul of activations."""
        first, second = map(self.quantizer_of, node.inputs)
        return (first, second) if first is not None and second is not None else None

    def rounds_its_readers(self, quant: Node) -> bool:
        """Whether every reader of a signed Quant can be told to round what it reads instead."""
        format = self._on[quant.output]
        if format is None or not format.is_signed:
            return False
        waiting, seen = [quant.output], set()
        while waiting:
            value = waiting.pop()
            readers = self.graph.readers.get(value, ())
            if value == self.graph.output or not all(self._takes(reader, value) for reader in readers):
                return False
            seen.add(value)
            waiting += [r.output for r in readers if r.op in MOVES and r.output not in seen]
        return True

    def _takes(self, reader: Node, value: str) -> bool:
        if reader.op in MOVES:
            return True
        if reader.op == "MatMul" and len(reader.inputs) == 2 and not self.is_parameter(reader.inputs[1]):
            return self.products_formats(reader) is not None
        if reader.op in LAYERS:
            return value == reader.inputs[0] and value not in reader.inputs[1:]
        return self.shared_format(reader) is not None


def fields(operand: str, format: IntegerFormat) -> dict[str, object]:
    """Return the keys of a config that say a format.

    >>> fields("weight", IntegerFormat(6, 4))
    {'weight_width': 6, 'weight_frac_width': 4}
    """
    found: dict[str, object] = {"width": format.width, "frac_width": format.frac_width}
    if format.rounding != "half_even":
        found["rounding"] = format.rounding
    return {f"{operand}_{key}": value for key, value in found.items()}
