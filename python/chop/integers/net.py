"""The integer net: whole numbers from the first quantizer to the last sum, one typed operation after another.

Each tensor is an array of codes with a grid (value = code * 2**-frac_width) that equals the evaluator's float32
numbers exactly. Floats remain at the door, before the first quantizer, and behind the last sum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from chop.integers.sums import Sums
from chop.integers.view import ViewNode
from chop.nn.quantizers import IntegerFormat


class NotIntegerError(ValueError):
    """A model, or a part of it, that is no arithmetic on whole numbers. Has ``node`` and ``reason``."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"{node}: {reason}")
        self.node, self.reason = node, reason


@dataclass(frozen=True)
class Tensor:
    """What an operation gives.

    Attributes:
        name: unique in the net.
        shape: without the batch.
        frac_width: of the grid; None for float32 numbers.
        low, high: range of the codes; 0 and 0 for floats.
    """

    name: str
    shape: tuple[int, ...]
    frac_width: int | None
    low: int = 0
    high: int = 0

    @property
    def size(self) -> int:
        """Numbers a row."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Operation:
    """One step.

    Attributes:
        kind: ``input`` (floats), ``affine`` (batch norm on floats, or on codes whose value is taken first), ``float``
            (an elementwise function of floats: ``function``), ``quantize`` (floats to codes), ``value`` (codes to
            floats), ``linear``, ``conv``, ``requantize``, ``multiply_add_shift``, ``thresholds``, ``clamp``, ``add``,
            ``sub``, ``mul``, ``max_pool``, ``sum_pool``, ``gather`` (any view), ``cat``, ``shift`` (to a finer grid).
        inputs: names of tensors.
        output: what it gives.
        node: chop's node that it stands for.
        constants: arrays, int64 or float32.
        settings: numbers and texts.
    """

    kind: str
    inputs: tuple[str, ...]
    output: Tensor
    node: str
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class IntegerNet:
    """All operations in order. ``output`` is a float tensor: the model's outputs."""

    operations: tuple[Operation, ...]
    output: Tensor
    fuses_batch_norm: bool

    def tensor(self, name: str) -> Tensor:
        """Return the tensor of that name."""
        return next(op.output for op in self.operations if op.output.name == name)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of a row."""
        return self.operations[0].output.shape


@dataclass
class NetBuilder:
    """Collects operations; tensors get chop's names, numbered where there are several."""

    operations: list[Operation] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        node: ViewNode,
        shape: Sequence[int],
        grid: tuple[int | None, int, int],
        constants: Mapping[str, np.ndarray] | None = None,
        **settings: Any,
    ) -> Tensor:
        """Add an operation and return its output; ``grid`` is (fraction width, low, high)."""
        count = self._names[node.name] = self._names.get(node.name, -1) + 1
        name = f"{node.name}_{count}" if count else node.name
        while any(op.output.name == name for op in self.operations):
            count = self._names[node.name] = count + 1
            name = f"{node.name}_{count}"
        made = Tensor(name, tuple(shape), *grid)
        inputs_ = tuple(t.name for t in inputs)
        self.operations.append(Operation(kind, inputs_, made, node.name, constants or {}, settings))
        return made

    def requantize(self, x: Tensor, to: IntegerFormat, node: ViewNode) -> Tensor:
        """From one grid to another: drop or add fraction bits, round, bring into range."""
        if x.frac_width == to.frac_width and to.qmin <= x.low and x.high <= to.qmax:
            return x
        ends = to.qmin, to.qmax
        before = next(op for op in reversed(self.operations) if op.output.name == x.name)
        if before.kind == "clamp" and to.overflow == "saturate":  # what never falls may clamp behind
            ends = _code_of(x.low, x, to), _code_of(x.high, x, to)
            x = next(op.output for op in self.operations if op.output.name == before.inputs[0])
        return self.add(
            "requantize",
            [x],
            node,
            x.shape,
            (to.frac_width, *ends),
            shift=int(x.frac_width or 0) - to.frac_width,
            rounding=to.rounding,
            overflow=to.overflow,
            width=to.width,
        )

    def to_grid(self, x: Tensor, frac_width: int, node: ViewNode) -> Tensor:
        """The same values on a finer grid."""
        bits = frac_width - int(x.frac_width or 0)
        if bits == 0:
            return x
        return self.add("shift", [x], node, x.shape, (frac_width, x.low << bits, x.high << bits), bits=bits)

    def layer(self, x: Tensor, node: ViewNode, sums: Sums) -> Tensor:
        """A linear layer or a convolution; weights and bias on the grid of the sums."""
        weight = node.codes("weight") << sums.weight_shift
        bias = np.zeros(len(weight), np.int64)
        if "bias" in node.values:
            bias = node.codes("bias") << sums.bias_shift
        rounded = not sums.fits_float32  # the evaluator rounds such a sum once to float32
        grid = sums.frac_width, min(sums.low), max(sums.high)
        kind = "linear" if node.op == "linear" else "conv"
        settings = {} if kind == "linear" else dict(node.attributes)
        constants = {"weight": weight, "bias": bias}
        return self.add(
            kind, [x], node, node.shape, grid, constants, rounded=rounded, bits=sums.bits, **settings
        )


def _code_of(code: int, x: Tensor, to: IntegerFormat) -> int:
    """The code that stands for a code of ``x`` in another format."""
    grid = Fraction(code) / Fraction(2) ** int(x.frac_width or 0) * Fraction(2) ** to.frac_width
    down = math.floor(grid)
    rounded = {"half_even": round(grid), "floor": down, "half_up": down + (grid - down >= Fraction(1, 2))}
    return min(max(int(rounded[to.rounding]), to.qmin), to.qmax)
