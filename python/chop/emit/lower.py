"""From an integer net to a circuit: every number of every tensor, unrolled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from chop.emit.between import CHAINED, Number, chain, never_turns, requantized
from chop.emit.cells import Circuit, CircuitError
from chop.emit.sums import SUMS
from chop.emit.terms import Term, add_all, add_terms
from chop.integers import IntegerNet, NotIntegerError, Operation
from chop.integers.execute import KINDS as EXECUTE
from chop.integers.net import Tensor

MOST_PRODUCTS = 1 << 16
_HOST = frozenset({"input", "quantize", "affine", "float", "value"})


@dataclass(frozen=True)
class Ports:
    """Which tensors enter and leave a circuit, in the order of its inputs and outputs.

    Attributes:
        inputs: codes that the host makes of the data: of the quantizers before the first sums.
        outputs: codes that the host makes floats of.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def readers_of(net: IntegerNet) -> dict[str, list[Operation]]:
    """Return tensor -> the operations that read it."""
    found: dict[str, list[Operation]] = {op.output.name: [] for op in net.operations}
    for op in net.operations:
        for name in op.inputs:
            found[name].append(op)
    return found


def ports_of(net: IntegerNet, raw: bool = False) -> Ports:
    """Return the codes that come from the door, and those that floats are made of behind the last sum.

    Args:
        net: any. raw: whether codes enter as the first quantizer makes them; else what follows it, number by number,
            is the host's too.
    """
    readers, kinds = readers_of(net), {op.output.name: op for op in net.operations}
    inputs = []
    for op in net.operations:
        if op.kind == "quantize":
            tensor = op.output
            while not raw and len(next_ := readers[tensor.name]) == 1 and next_[0].kind in CHAINED:
                tensor = _met(next_[0], tensor)
            inputs.append(tensor)
    read = (n for op in net.operations if op.output.frac_width is None for n in op.inputs)
    outputs = (kinds[n].output for n in dict.fromkeys(read) if kinds[n].output.frac_width is not None)
    return Ports(tuple(inputs), tuple(outputs))


def _met(op: Operation, x: Tensor) -> Tensor:
    """The output of an operation with the range that it really has, where it never turns."""
    if not never_turns(op):
        return op.output
    channels = next((len(value) for value in op.constants.values()), 1)
    ends = EXECUTE[op.kind](op, np.repeat([[x.low], [x.high]], channels, 1))
    return replace(op.output, low=int(ends.min()), high=int(ends.max()))


def products_of(net: IntegerNet) -> int:
    """Return how many products with a weight other than zero a row takes."""
    total = 0
    for op in net.operations:
        if op.kind in ("linear", "conv"):
            rows = len(op.constants["weight"])
            total += int(np.count_nonzero(op.constants["weight"])) * (op.output.size // rows)
    return total


def lower(net: IntegerNet, ports: Ports, sums: str = "plain") -> Circuit:
    """Return the circuit of an integer net.

    Args:
        net: of :func:`chop.integers.integer_net`. ports: of :func:`ports_of`. sums: a name of ``chop.emit.SUMS``.

    Raises:
        NotIntegerError: float32 rounds a sum of it, so that the integers do not define the answer.
        CircuitError: it is too large.
    """
    if (products := products_of(net)) > MOST_PRODUCTS:
        raise CircuitError(f"{products:,} products in one circuit; at most {MOST_PRODUCTS:,}")
    maker = _Maker(net, sums)
    for tensor in ports.inputs:
        maker.input(tensor)
    for op in net.operations:
        if all(name in maker.values for name in op.inputs) and op.kind not in _HOST:
            maker.add(op)
    for tensor in ports.outputs:
        maker.circuit.outputs += maker.cells(tensor.name)
    return maker.circuit


@dataclass
class _Maker:
    net: IntegerNet
    sums: str
    circuit: Circuit = field(default_factory=Circuit)
    values: dict[str, list[Number]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tensors = {op.output.name: op.output for op in self.net.operations}
        self.readers = readers_of(self.net)

    def input(self, tensor: Tensor) -> None:
        """A tensor that comes from the host."""
        cells = [self.circuit.input(tensor.low, tensor.high) for _ in range(tensor.size)]
        self.values[tensor.name] = [Number(Term(cell)) for cell in cells]

    def cells(self, name: str) -> list[int]:
        """The numbers of a tensor as cells."""
        cells = [number.cell(self.circuit) for number in self.values[name]]
        self.values[name] = [Number(Term(cell)) for cell in cells]
        return cells

    def add(self, op: Operation) -> None:
        name = op.output.name
        if name in self.values:  # at the end of a chain
            return
        if op.settings.get("rounded"):
            raise NotIntegerError(op.node, "its sums pass 2^24, where float32 rounds them: not exact")
        if never_turns(op):
            self.chain(op)
        else:
            self.values[name] = KINDS[op.kind](self, op)

    def chain(self, op: Operation) -> None:
        """All operations from here that only this one's numbers pass."""
        ops = [op]
        while len(readers := self.readers[ops[-1].output.name]) == 1 and never_turns(readers[0]):
            ops.append(readers[0])
        cells = chain(self.circuit, ops, self.values[op.inputs[0]])
        for each in ops:
            self.values[each.output.name] = [Number(Term(cell)) for cell in cells]

    def dot(self, weight: np.ndarray, bias: np.ndarray, numbers: list[Number]) -> list[Number]:
        """``weight @ numbers + bias``; what is constant among the numbers goes to the bias."""
        cells = [number.cell(self.circuit) for number in numbers]
        fixed = np.array([self.circuit[c].kind == "constant" for c in cells], bool)
        values = np.array(
            [self.circuit[c].low if f else 0 for c, f in zip(cells, fixed, strict=True)], np.int64
        )
        offsets = bias + weight @ values
        found = SUMS[self.sums].add(self.circuit, np.where(fixed, 0, weight), cells)
        for term in found:
            if term is not None and term.bits < 0:
                raise CircuitError(f"a sum in units of 2^{term.bits}")
        return [Number(term, int(o)) for term, o in zip(found, offsets, strict=True)]

    def linear(self, op: Operation) -> list[Number]:
        weight, bias, x = op.constants["weight"], op.constants["bias"], self.values[op.inputs[0]]
        columns = weight.shape[1]
        rows = [self.dot(weight, bias, x[i : i + columns]) for i in range(0, len(x), columns)]
        return [number for row in rows for number in row]

    def conv(self, op: Operation) -> list[Number]:
        weight, bias, groups = op.constants["weight"], op.constants["bias"], int(op.settings["groups"])
        places = self.places(op, list(weight.shape[2:]), list(op.settings["padding"][::2]))
        each = len(weight) // groups
        found: list[list[Number]] = []
        for position in range(places.shape[0]):
            row: list[Number] = []
            for group in range(groups):
                part = slice(group * each, (group + 1) * each)
                channels = slice(group * weight.shape[1], (group + 1) * weight.shape[1])
                taken = self.taken(op.inputs[0], places[position, channels].reshape(-1))
                row += self.dot(weight[part].reshape(each, -1), bias[part], taken)
            found.append(row)
        return [row[channel] for channel in range(len(weight)) for row in found]

    def places(self, op: Operation, kernel: list[int], before: list[int]) -> np.ndarray:
        """[positions, channels, taps]: places in the flat input that a window covers, -1 beside it."""
        s, shape = op.settings, self.tensors[op.inputs[0]].shape
        axes = []
        for axis, (size, taps) in enumerate(zip(shape[1:], kernel, strict=True)):
            starts = np.arange(op.output.shape[1 + axis]) * s["stride"][axis] - before[axis]
            found = starts[:, None] + np.arange(taps) * s["dilation"][axis]
            axes.append(np.where((found >= 0) & (found < size), found, -1))
        if len(axes) == 1:
            flat = axes[0]
        else:
            rows, columns = axes[0][:, None, :, None], axes[1][None, :, None, :]
            joined = np.where((rows < 0) | (columns < 0), -1, rows * shape[2] + columns)
            flat = joined.reshape(axes[0].shape[0] * axes[1].shape[0], -1)
        behind = int(np.prod(shape[1:]))
        channels = np.arange(shape[0])[None, :, None] * behind
        return np.where(flat[:, None, :] < 0, -1, flat[:, None, :] + channels)

    def taken(self, name: str, places: np.ndarray) -> list[Number]:
        values, zero = self.values[name], Number(None)
        return [zero if i < 0 else values[i] for i in places.tolist()]

    def pool(self, op: Operation) -> list[Number]:
        self.cells(op.inputs[0])
        places = self.places(op, list(op.settings["kernel_size"]), list(op.settings["padding"]))
        found = []
        for channel in range(op.output.shape[0]):
            for position in range(places.shape[0]):
                inside = [i for i in places[position, channel].tolist() if i >= 0]
                found.append(self.pooled(op, self.taken(op.inputs[0], np.array(inside, np.int64))))
        return found

    def pooled(self, op: Operation, numbers: list[Number]) -> Number:
        if op.kind == "sum_pool":
            return Number(add_all(self.circuit, [n.term for n in numbers if n.term is not None]))
        cells = [number.cell(self.circuit) for number in numbers]
        while len(cells) > 1:
            cells = [
                self.circuit.larger(*cells[i : i + 2]) if i + 1 < len(cells) else cells[i]
                for i in range(0, len(cells), 2)
            ]
        return Number(Term(cells[0]))

    def two(self, op: Operation) -> list[Number]:
        a, b = (self.values[name] for name in op.inputs)
        return [self.joined(op.kind, x, y) for x, y in zip(a, b, strict=True)]

    def joined(self, kind: str, a: Number, b: Number) -> Number:
        if kind == "mul":
            return Number(Term(self.circuit.product(a.cell(self.circuit), b.cell(self.circuit))))
        minus = kind == "sub"
        offset = a.offset - b.offset if minus else a.offset + b.offset
        right = b.term and b.term.times(minus)
        if a.term is None or right is None:
            return Number(right if a.term is None else a.term, offset)
        return Number(add_terms(self.circuit, a.term, right), offset)

    def cat(self, op: Operation) -> list[Number]:
        axis = int(op.settings["axis"])
        parts = []
        for place, name in enumerate(op.inputs):
            shape = self.tensors[name].shape
            indices = np.arange(int(np.prod(shape))).reshape(shape)
            parts.append(np.stack([np.full(shape, place), indices], -1))
        joined = np.concatenate(parts, axis).reshape(-1, 2)
        return [self.values[op.inputs[place]][index] for place, index in joined.tolist()]


KINDS: dict[str, Callable[[_Maker, Operation], list[Number]]] = {
    "linear": _Maker.linear,
    "conv": _Maker.conv,
    "max_pool": _Maker.pool,
    "sum_pool": _Maker.pool,
    "add": _Maker.two,
    "sub": _Maker.two,
    "mul": _Maker.two,
    "cat": _Maker.cat,
    "reshape": lambda maker, op: maker.values[op.inputs[0]],
    "gather": lambda maker, op: maker.taken(op.inputs[0], op.constants["indices"]),
    "shift": lambda maker, op: [n.shifted(op.settings["bits"]) for n in maker.values[op.inputs[0]]],
    "requantize": lambda maker, op: [
        Number(Term(requantized(maker.circuit, op, n))) for n in maker.values[op.inputs[0]]
    ],
}
assert CHAINED.isdisjoint(set(KINDS) - {"requantize"})
