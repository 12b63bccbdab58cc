"""Operations without weights, each as the torch function that computes the same float32 numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.qonnx.affine import batch_norm, cast, two_operands
from chop.qonnx.builder import ROWS, Builder, Value
from chop.qonnx.file import QUANTS, Node
from chop.qonnx.layers import conv, gemm, matmul
from chop.qonnx.quant import format_of

_MOST = 1 << 12  # of pads and steps


def quant(b: Builder, node: Node) -> Any:
    """Round: in the operations that read it, in the ReLU before it, or by an operation of its own."""
    if b.grids.is_parameter(node.output):
        return None
    format = format_of(b.file, node)
    x = b.read(node)
    if b.grids.rounds_its_readers(node):
        return x
    if format.is_signed:
        made = b.call(node, operator.mul, x, 1)
        b.quantize(made, data_in=format)
        return made
    reader, maker = b.file.sole_reader(node.output), b.file.producers.get(node.inputs[0])
    if reader is not None and reader.op == "Relu":
        return x
    behind_relu = maker is not None and maker.op == "Relu" and b.file.sole_reader(maker.output) is node
    if behind_relu and x.node.name not in b.config:
        b.quantize(x, data_in=format)
        return x
    made = b.layer(node, nn.ReLU(), x)  # an unsigned grid has no numbers that it would change
    b.quantize(made, data_in=format)
    return made


def relu(b: Builder, node: Node) -> Value:
    """Add a ReLU, with the format of an unsigned Quant that only it reads."""
    made = b.layer(node, nn.ReLU(), b.read(node))
    maker = b.file.producers.get(node.inputs[0])
    if maker is not None and maker.op in QUANTS:
        format = format_of(b.file, maker)
        if not format.is_signed and b.file.sole_reader(maker.output) is node:
            b.quantize(made, data_in=format)
    return made


def _alias(b: Builder, node: Node) -> Any:
    return b.read(node) if node.inputs and node.inputs[0] in b.values else None


def _function(function: Callable[[Tensor], Tensor]) -> Callable[[Builder, Node], Value]:
    return lambda b, node: b.call(node, function, b.read(node))


def _extreme(function: Callable[..., Tensor]) -> Callable[[Builder, Node], Value]:
    def make(b: Builder, node: Node) -> Value:
        if len(node.inputs) != 2:
            raise node.refuse("is read with two inputs only")
        return b.call(node, function, b.read(node), b.read(node, 1))

    return make


def _clip(b: Builder, node: Node) -> Value:
    given = [b.constant(node, place) for place in (1, 2)]
    if any(v is not None and (v.size != 1 or v.dtype != np.float32) for v in given):
        raise node.refuse("its ends must be single float32 numbers")
    low, high = (None if v is None else float(v.reshape(-1)[0]) for v in given)
    if low is not None and high is not None and low > high:
        raise node.refuse(f"its ends {low:g} and {high:g} are the wrong way round")
    if (low, high) == (0.0, 6.0):
        return b.layer(node, nn.ReLU6(), b.read(node))
    if low is None and high is None:
        return b.read(node)
    ends = {name: end for name, end in (("min", low), ("max", high)) if end is not None}
    return b.call(node, torch.clamp, b.read(node), **ends)


def _pool(b: Builder, node: Node) -> Value:
    x = b.read(node)
    rank = len(x.shape) - 1
    if rank not in (1, 2):
        raise node.refuse("is read over one or two dimensions")
    kernel, strides = (node.wholes(name, [1] * rank) for name in ("kernel_shape", "strides"))
    pads, dilations = node.wholes("pads", [0] * (2 * rank)), node.wholes("dilations", [1] * rank)
    if node.attributes.get("auto_pad", "NOTSET") != "NOTSET" or node.whole("storage_order", 0):
        raise node.refuse("auto_pad and storage_order are not read")
    if pads[:rank] != pads[rank:] or not all(1 <= v <= _MOST for v in kernel + strides + dilations):
        raise node.refuse(
            f"pads {pads} must be alike on both sides, and kernel, strides, dilations 1 to {_MOST}"
        )
    settings: dict[str, Any] = {"stride": tuple(strides), "padding": tuple(pads[:rank])}
    settings["ceil_mode"] = bool(node.whole("ceil_mode", 0))
    if node.op == "MaxPool":
        kind = (nn.MaxPool1d, nn.MaxPool2d)[rank - 1]
        return b.layer(node, kind(tuple(kernel), dilation=tuple(dilations), **settings), x)
    size = int(np.prod(kernel))
    if dilations != [1] * rank or size & (size - 1):
        raise node.refuse(
            f"an average over {size} numbers is rounded differently by runtimes; 2, 4, 8 … are exact"
        )
    settings["count_include_pad"] = bool(node.whole("count_include_pad", 0))
    average: Any = (nn.AvgPool1d, nn.AvgPool2d)[rank - 1]
    return b.layer(node, average(tuple(kernel), **settings), x)


def _reshaped(b: Builder, node: Node, x: Value, shape: tuple[int, ...]) -> Value:
    if shape == x.shape:
        return x
    if len(shape) == 1:
        return b.call(node, torch.flatten, x, 1)
    return b.call(node, torch.reshape, x, (-1, *shape))


def _reshape(b: Builder, node: Node) -> Value:
    x, shape = b.read(node), b.constant(node, 1)
    if shape is None or shape.dtype != np.int64 or shape.ndim != 1 or len(shape) < 2:
        raise node.refuse("needs a constant shape with a batch and sizes")
    sizes = [int(size) for size in shape]
    if not node.whole("allowzero", 0):
        sizes = [
            (x.shape[i - 1] if 0 < i <= len(x.shape) else -1) if s == 0 else s for i, s in enumerate(sizes)
        ]
    batch, rest = sizes[0], sizes[1:]
    total = int(np.prod(x.shape))
    if -1 in rest and rest.count(-1) == 1 and (known := -int(np.prod(rest, dtype=object))) > 0:
        rest[rest.index(-1)] = total // known
    elif batch == -1:
        batch = b.file.batch
    fits = all(size > 0 for size in rest) and int(np.prod(rest, dtype=object)) == total
    if not fits or batch != (b.file.batch or batch):
        raise node.refuse(f"the shape {sizes} does not keep the rows of {list(x.shape)} numbers apart")
    return _reshaped(b, node, x, tuple(rest))


def _flatten(b: Builder, node: Node) -> Value:
    if node.whole("axis", 1) != 1:
        raise node.refuse("must leave the batch alone: axis 1")
    x = b.read(node)
    return _reshaped(b, node, x, (int(np.prod(x.shape)),))


def _squeeze(b: Builder, node: Node) -> Value:
    x, axes = b.read(node), b.constant(node, 1)
    given = () if axes is None else tuple(int(a) for a in axes.reshape(-1))
    like = np.empty((ROWS, *x.shape), np.bool_)
    try:
        made = np.expand_dims(like, given) if node.op == "Unsqueeze" else np.squeeze(like, given or None)
    except ValueError as error:
        raise node.refuse(str(error)) from None
    if not made.ndim or made.shape[0] != ROWS:
        raise node.refuse("must leave the batch alone")
    return _reshaped(b, node, x, made.shape[1:])


def _transpose(b: Builder, node: Node) -> Any:
    if b.grids.is_parameter(node.output):
        return None
    x = b.read(node)
    order = node.wholes("perm", list(range(len(x.shape) + 1))[::-1])
    if sorted(order) != list(range(len(order))) or order[0] != 0:
        raise node.refuse(f"perm {order} must leave the batch where it is")
    return b.call(node, torch.permute, x, tuple(order))


def _slice(b: Builder, node: Node) -> Value:
    x = b.read(node)
    rank = len(x.shape) + 1
    starts, ends = (b.constant(node, place) for place in (1, 2))
    axes = b.constant(node, 3, np.arange(rank)[: 0 if starts is None else starts.size])
    steps = b.constant(node, 4, np.ones(axes.size, np.int64))
    lists = [v for v in (starts, ends, axes, steps) if v is not None and v.dtype.kind == "i"]
    if len(lists) != 4 or len({v.size for v in lists}) != 1 or (steps < 1).any():
        raise node.refuse("needs constant starts, ends, axes, and steps of 1 or more")
    cuts = [slice(None)] * rank
    for start, end, axis, step in zip(*(v.reshape(-1).tolist() for v in lists), strict=True):
        if not -rank <= axis < rank:
            raise node.refuse(f"has no axis {axis}")
        cuts[axis] = slice(start, min(end, 1 << 31), step)
    if cuts[0] not in (slice(None), slice(0, 1 << 31, 1)):
        raise node.refuse("must leave the batch alone")
    return b.call(node, operator.getitem, x, (slice(None), *cuts[1:]))


def _concat(b: Builder, node: Node) -> Value:
    parts = [b.read(node, place) for place in range(len(node.inputs))]
    axis = node.whole("axis", 0)
    if not parts or axis % (len(parts[0].shape) + 1) == 0:
        raise node.refuse("must leave the batch alone")
    return b.call(node, torch.cat, parts, axis)


def _pad(b: Builder, node: Node) -> Value:
    x, pads, value = b.read(node), b.constant(node, 1), b.constant(node, 2, np.zeros(1, np.float32))
    rank = len(x.shape) + 1
    if node.attributes.get("mode", "constant") != "constant" or (len(node.inputs) > 3 and node.inputs[3]):
        raise node.refuse("is read with one constant number and no axes")
    if pads is None or pads.size != 2 * rank or value.size != 1 or value.dtype != np.float32:
        raise node.refuse(f"needs {2 * rank} constant pads and one number")
    before, after = (part.tolist() for part in np.split(pads.reshape(-1), 2))
    if before[0] or after[0] or not all(0 <= side <= _MOST for side in before + after):
        raise node.refuse(f"its pads must leave the batch alone and be 0 to {_MOST}")
    sides = [side for pair in zip(before[:0:-1], after[:0:-1], strict=True) for side in pair]
    return b.call(node, F.pad, x, sides, value=float(value.reshape(-1)[0]))


MAKERS: Mapping[str, Callable[[Builder, Node], Any]] = {
    **dict.fromkeys(QUANTS, quant),
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
    "Cast": cast,
    "Add": two_operands,
    "Sub": two_operands,
    "Mul": two_operands,
    "Min": _extreme(torch.minimum),
    "Max": _extreme(torch.maximum),
    "Relu": relu,
    "Clip": _clip,
    "Abs": _function(torch.abs),
    "Neg": _function(torch.neg),
    "Identity": _alias,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _squeeze,
    "Transpose": _transpose,
    "Slice": _slice,
    "Concat": _concat,
    "Pad": _pad,
}

__all__ = ["MAKERS"]
