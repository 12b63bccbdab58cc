"""From a quantized view to the integer net: demand driven, from the output back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chop.integers.batch_norm import affine_of
from chop.integers.elementwise import MONOTONE, grid_ends
from chop.integers.features import features_joined
from chop.integers.net import IntegerNet, NetBuilder, NotIntegerError, Operation, Tensor
from chop.integers.stepped import stepped
from chop.integers.sums import sums_of
from chop.integers.view import QuantizedView, ViewNode
from chop.integers.views import VIEWS, indices_of
from chop.nn.quantizers import ElementFormat, IntegerFormat

Chain = tuple[ViewNode, ...]  # elementwise nodes still to be applied, in order

_EXACT = 2**24
_MOST_BITS = 63


def integer_net(view: QuantizedView) -> IntegerNet:
    """Return the integer net of a quantized model; all callers with one view share it.

    Raises:
        NotIntegerError: a node computes with floats between the first quantizer and the last sum, or its codes need
            more than 63 bits.
    """
    return view.once(_made_of)


def _made_of(view: QuantizedView) -> IntegerNet:
    return _Maker(view).run()


class _Maker:
    def __init__(self, view: QuantizedView) -> None:
        self.view, self.b = view, NetBuilder()
        self._grids: dict[str, Tensor] = {}
        self._codes: dict[tuple[str, tuple[str, ...], IntegerFormat | ElementFormat], Tensor] = {}
        self._floats: dict[tuple[str, tuple[str, ...]], Tensor] = {}

    def run(self) -> IntegerNet:
        if len(self.view.inputs) != 1:
            raise NotIntegerError(self.view.output, "a model with one input is needed")
        for node in self.view:
            for operand, format in node.formats.items():
                if not isinstance(format, IntegerFormat | ElementFormat):
                    raise NotIntegerError(node.name, f"{operand} has no whole numbers in the format {format}")
        self.floats(self.view.inputs[0], ())
        output = self.floats(self.view[self.view.output], ())
        return IntegerNet(_needed(self.b.operations, output), output, self.view.fuses_batch_norm)

    # ---- floats: the door before the first quantizer, the tail behind the last sum

    def floats(self, node: ViewNode, chain: Chain) -> Tensor:
        """The float32 values of a node with a chain of elementwise functions behind it."""
        key = node.name, tuple(n.name for n in chain)
        if key not in self._floats:
            self._floats[key] = self._make_floats(node, chain)
        return self._floats[key]

    def _make_floats(self, node: ViewNode, chain: Chain) -> Tensor:
        if chain:
            x = self.floats(node, chain[:-1])
            return self._float_step(chain[-1], x)
        if node.op == "input":
            return self.b.add("input", [], node, node.shape, (None, 0, 0))
        if self.is_grid(node):
            grid = self.grid(node)
            return self.b.add("value", [grid], node, grid.shape, (None, 0, 0), frac_width=grid.frac_width)
        if node.op in MONOTONE or node.op.startswith("batch_norm"):
            return self._float_step(node, self.floats(self.view[node.inputs[0]], ()))
        if node.op in VIEWS:
            x = self.floats(self.view[node.inputs[0]], ())
            return self._gather(node, x)
        raise _no_codes(node)

    def _float_step(self, node: ViewNode, x: Tensor) -> Tensor:
        if node.op.startswith("batch_norm"):
            factor, offset = affine_of(node, self.view.fuses_batch_norm)
            constants = {"factor": factor, "offset": offset}
            return self.b.add("affine", [x], node, x.shape, (None, 0, 0), constants)
        settings = {"function": node.op, **node.attributes}
        return self.b.add("float", [x], node, x.shape, (None, 0, 0), **settings)

    # ---- values that lie on a grid without a quantizer behind them

    def is_grid(self, node: ViewNode) -> bool:
        """Whether a node's values are whole numbers of some grid."""
        if node.op in {"linear", "conv1d", "conv2d"}:
            if not node.is_quantized:
                raise NotIntegerError(node.name, "it is a float layer: give it a format")
            return True
        if node.is_quantized:
            return node.op in {"relu", "add", "sub", "mul"} or _is_quantizer(node)
        if node.op == "input" or node.op.startswith("batch_norm"):
            return False
        known = node.op in MONOTONE or node.op in VIEWS or node.op in _GRIDS
        if not known or not all(self.is_grid(self.view[name]) for name in node.inputs):
            return False
        if node.op not in MONOTONE:
            return True
        return grid_ends(node, int(self.grid(self.view[node.inputs[0]]).frac_width or 0)) is not None

    def grid(self, node: ViewNode) -> Tensor:
        """The codes of a node whose values are whole numbers of a grid."""
        if node.name not in self._grids:
            made = self._make_grid(node)
            if max(-made.low, made.high) >= _EXACT and node.op in _ROUNDING:
                raise NotIntegerError(node.name, "its codes pass 2^24, where float32 rounds them")
            self._grids[node.name] = made
        return self._grids[node.name]

    def _make_grid(self, node: ViewNode) -> Tensor:
        if node.op in {"linear", "conv1d", "conv2d"}:
            x = self.codes(self.view[node.inputs[0]], (), node.grid_format("data_in"))
            sums = sums_of(node)
            if sums.bits > _MOST_BITS:
                raise NotIntegerError(node.name, f"the sum needs {sums.bits} bits")
            return self.b.layer(x, node, sums)
        if node.is_quantized:
            inputs = [self.codes(self.view[name], (), node.grid_format("data_in")) for name in node.inputs]
        else:
            inputs = [self.grid(self.view[name]) for name in node.inputs]
        if _is_quantizer(node):
            return inputs[0]
        if node.op in MONOTONE:
            return self._clamp(node, inputs[0])
        if node.op in VIEWS:
            return self._gather(node, inputs[0])
        return _GRIDS[node.op](self, node, inputs)

    def _clamp(self, node: ViewNode, x: Tensor) -> Tensor:
        ends = grid_ends(node, int(x.frac_width or 0))
        assert ends is not None  # is_grid has asked
        low, high = ends
        least, most = (
            min(max(end, x.low if low is None else low), x.high if high is None else high)
            for end in (x.low, x.high)
        )
        if (least, most) == (x.low, x.high):
            return x
        return self.b.add("clamp", [x], node, x.shape, (x.frac_width, least, most))

    def _gather(self, node: ViewNode, x: Tensor) -> Tensor:
        indices = indices_of(node, x.shape)
        if indices is None:  # the numbers stay where they are
            return self.b.add("reshape", [x], node, node.shape, (x.frac_width, x.low, x.high))
        low, high = (min(x.low, 0), max(x.high, 0)) if (indices < 0).any() else (x.low, x.high)
        grid = x.frac_width, low, high
        return self.b.add("gather", [x], node, node.shape, grid, {"indices": indices})

    def _aligned(self, node: ViewNode, inputs: list[Tensor]) -> list[Tensor]:
        frac = max(int(t.frac_width or 0) for t in inputs)
        return [self.b.to_grid(t, frac, node) for t in inputs]

    def _sum(self, node: ViewNode, inputs: list[Tensor]) -> Tensor:
        a, c = self._aligned(node, inputs)
        ends = (a.low + c.low, a.high + c.high) if node.op == "add" else (a.low - c.high, a.high - c.low)
        return self.b.add(node.op, [a, c], node, node.shape, (a.frac_width, *ends))

    def _product(self, node: ViewNode, inputs: list[Tensor]) -> Tensor:
        a, c = inputs
        ends = [p * q for p in (a.low, a.high) for q in (c.low, c.high)]
        frac = int(a.frac_width or 0) + int(c.frac_width or 0)
        return self.b.add("mul", [a, c], node, node.shape, (frac, min(ends), max(ends)))

    def _cat(self, node: ViewNode, inputs: list[Tensor]) -> Tensor:
        parts = self._aligned(node, inputs)
        return self._joined(node, parts)

    def _joined(self, node: ViewNode, parts: list[Tensor]) -> Tensor:
        grid = parts[0].frac_width, min(t.low for t in parts), max(t.high for t in parts)
        axis = int(node.attributes["dim"]) % (len(node.shape) + 1) - 1  # without rows, from the front
        return self.b.add("cat", parts, node, node.shape, grid, axis=axis)

    def _pool(self, node: ViewNode, inputs: list[Tensor]) -> Tensor:
        x = inputs[0]
        if node.op.startswith("max"):
            return self.b.add(
                "max_pool", [x], node, node.shape, (x.frac_width, x.low, x.high), **node.attributes
            )
        size = int(np.prod(node.attributes["kernel_size"]))
        padded = any(node.attributes["padding"]) or node.attributes["ceil_mode"]
        if size & (size - 1) or node.attributes["divisor_override"] or padded:
            raise NotIntegerError(
                node.name, f"an average of {size} numbers is none of 2, 4, 8 … without padding"
            )
        frac = int(x.frac_width or 0) + size.bit_length() - 1
        return self.b.add(
            "sum_pool", [x], node, node.shape, (frac, x.low * size, x.high * size), **node.attributes
        )

    # ---- codes: what a quantizer gives

    def codes(self, node: ViewNode, chain: Chain, to: IntegerFormat | ElementFormat) -> Tensor:
        """What a quantizer behind ``node`` and a chain of elementwise functions gives."""
        key = node.name, tuple(n.name for n in chain), to
        if key not in self._codes:
            if isinstance(to, ElementFormat):
                parts = [self.codes(node, chain, format) for format, _ in to.parts()]
                self._codes[key] = features_joined(self.b, node, parts, to)
            else:
                self._codes[key] = self._make_codes(node, chain, to)
        return self._codes[key]

    def _make_codes(self, node: ViewNode, chain: Chain, to: IntegerFormat) -> Tensor:
        if not chain and self.is_grid(node):
            if node.op in VIEWS and indices_of(node, self.view[node.inputs[0]].shape) is None:
                return self._gather(node, self.codes(self.view[node.inputs[0]], (), to))
            return self.b.requantize(self.grid(node), to, node)
        if not self._behind_a_sum(node):
            floats = self.floats(node, chain)
            grid = to.frac_width, to.qmin, to.qmax
            rule = {"rounding": to.rounding, "overflow": to.overflow}
            return self.b.add("quantize", [floats], node, floats.shape, grid, None, width=to.width, **rule)
        if self.is_grid(node):
            return stepped(self.b, node, chain, self.grid(node), to, self.view.fuses_batch_norm)
        source, is_norm = self.view[node.inputs[0]], node.op.startswith("batch_norm")
        if is_norm or (node.op in MONOTONE and not node.is_quantized):
            return self.codes(source, (node, *chain), to)
        for function in chain:
            if function.op.startswith("batch_norm"):  # its channels are those of the sums, and it may fall
                raise NotIntegerError(
                    function.name, "a batch norm of floats that are no sums: give its layer a format"
                )
        if node.op in VIEWS:
            return self._gather(node, self.codes(source, chain, to))
        if node.op.startswith("max_pool"):
            x = self.codes(source, chain, to)
            return self.b.add(
                "max_pool", [x], node, node.shape, (x.frac_width, x.low, x.high), **node.attributes
            )
        if node.op == "cat":
            return self._joined(node, [self.codes(self.view[n], chain, to) for n in node.inputs])
        raise _no_codes(node)

    def _behind_a_sum(self, node: ViewNode) -> bool:
        """Whether any quantized node lies before this one: else its floats are the model's input at the door."""
        seen, todo = set[str](), [node.name]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            if self.view[name].is_quantized:
                return True
            todo.extend(self.view[name].inputs)
        return False


def _no_codes(node: ViewNode) -> NotIntegerError:
    """Why a node's values are no whole numbers, for readers who may change its format."""
    if node.op == "opaque":
        return NotIntegerError(node.name, "torch computes it, so there is no exact form of it")
    if node.op in _GRIDS or node.op == "relu":
        return NotIntegerError(node.name, f"{node.op} of floats: give its operands formats")
    return NotIntegerError(node.name, f"{node.op} has no form in whole numbers")


def _is_quantizer(node: ViewNode) -> bool:
    """Whether it is ``x * 1`` with a format, as files have a quantizer alone."""
    return node.op == "mul_scalar" and node.is_quantized and node.number == 1


def _needed(operations: list[Operation], output: Tensor) -> tuple[Operation, ...]:
    """Without what nothing reads; the input stays."""
    wanted, kept = {output.name}, list[Operation]()
    for op in reversed(operations):
        if op.output.name in wanted or op.kind == "input":
            wanted.update(op.inputs)
            kept.append(op)
    return tuple(kept[::-1])


_ROUNDING = frozenset(
    {"add", "sub", "mul", "cat", "avg_pool1d", "avg_pool2d"}
)  # a sum is rounded where it is made
_GRIDS: dict[str, Callable[[_Maker, ViewNode, list[Tensor]], Tensor]] = {
    "add": _Maker._sum,
    "sub": _Maker._sum,
    "mul": _Maker._product,
    "cat": _Maker._cat,
    "max_pool1d": _Maker._pool,
    "max_pool2d": _Maker._pool,
    "avg_pool1d": _Maker._pool,
    "avg_pool2d": _Maker._pool,
}
