"""What stays on the host: codes before the circuit, floats behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chop.emit.cells import Cell, Circuit
from chop.integers import IntegerNet
from chop.integers.net import Tensor
from chop.integers.parts import codes_of


@dataclass(frozen=True)
class Port:
    """One side of a circuit.

    Attributes:
        tensors: in order; their numbers in C order, the first in the lowest bits.
        widths: bits of every number.
        signed: whether it has a sign, one each.
    """

    tensors: tuple[Tensor, ...]
    widths: tuple[int, ...]
    signed: tuple[bool, ...]

    @property
    def bits(self) -> int:
        """Of the whole port."""
        return sum(self.widths)

    def to_dict(self) -> list[dict[str, object]]:
        """Return a row a tensor, as ``emit.json`` holds it."""
        rows: list[dict[str, object]] = []
        place = 0
        for t in self.tensors:
            row: dict[str, object] = {"tensor": t.name, "shape": list(t.shape), "frac_width": t.frac_width}
            rows.append(row | {"width": self.widths[place], "signed": self.signed[place]})
            place += t.size
        return rows


def input_port(tensors: tuple[Tensor, ...]) -> Port:
    """Return the port of codes: as wide as their range."""
    cells = [(Cell("input", (), t.low, t.high), t.size) for t in tensors]
    widths = tuple(cell.width for cell, size in cells for _ in range(size))
    return Port(tensors, widths, tuple(cell.is_signed for cell, size in cells for _ in range(size)))


def output_port(tensors: tuple[Tensor, ...], circuit: Circuit) -> Port:
    """Return the port of results: all numbers of a tensor as wide as the widest of them can be."""
    widths, signed, place = [], [], 0
    for tensor in tensors:
        cells = [circuit[i] for i in circuit.outputs[place : place + tensor.size]]
        whole = Cell("", (), min(c.low for c in cells), max(c.high for c in cells))
        widths += [whole.width] * tensor.size
        signed += [whole.is_signed] * tensor.size
        place += tensor.size
    return Port(tensors, tuple(widths), tuple(signed))


def codes_at(net: IntegerNet, port: Port, x: np.ndarray) -> np.ndarray:
    """Return the codes at a port, int64, shape [rows, numbers], of rows ``x``, float32."""
    return codes_of(net, port.tensors, x)
