"""A convolution in double, which runtimes have not: its windows cut out one kernel place at a time, then one MatMul."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from chop.export.onnx_builder import OnnxBuilder
from chop.integers import ViewNode


def convolution_in_double(b: OnnxBuilder, node: ViewNode, x: str, given: Mapping[str, np.ndarray]) -> str:
    """Add a ``conv1d`` or ``conv2d`` whose sums float32 cannot hold; they are rounded to it once.

    Args:
        b: builder. node: the layer. x: its input on the grid, float32, shape ``[rows, channels, *size]``.
        given: ``weight``, shape ``[outputs, inputs of a group, *kernel]``, and perhaps ``bias``, both on their grids.
    """
    import onnx

    weight, groups = given["weight"], int(node.attributes["groups"])
    windows = _windows(b, node, _padded(b, node, x), groups, list(weight.shape[1:]))
    matrix = np.moveaxis(weight, 1, -1).reshape(groups, len(weight) // groups, -1)  # as the windows lie
    factors = [b.constant(matrix, f"{node.name}.weight"), windows]
    y = b.op("MatMul", [b.op("Cast", [v], to=onnx.TensorProto.DOUBLE) for v in factors])
    if "bias" in given:
        bias = b.constant(given["bias"].reshape(groups, -1, 1), f"{node.name}.bias")
        y = b.op("Add", [y, b.op("Cast", [bias], to=onnx.TensorProto.DOUBLE)])
    rounded = b.op("Cast", [y], to=onnx.TensorProto.FLOAT)
    return b.op("Reshape", [rounded, _list(b, [_rows(b), *node.shape])], node.name)


def _padded(b: OnnxBuilder, node: ViewNode, x: str) -> str:
    before, after = node.attributes["padding"][::2], node.attributes["padding"][1::2]
    if not any(before) and not any(after):
        return x
    return b.op("Pad", [x, _list(b, [0, 0, *before, 0, 0, *after]), b.scalar(0.0)])


def _windows(b: OnnxBuilder, node: ViewNode, x: str, groups: int, shape: list[int]) -> str:
    """[rows, groups, kernel places * channels of a group, positions]; ``shape`` is [channels, *kernel]."""
    a, (channels, *kernel), size = node.attributes, shape, node.shape[1:]
    axes, steps = _list(b, [2 + i for i in range(len(kernel))]), _list(b, a["stride"])
    split = _list(b, [_rows(b), groups, channels, int(np.prod(size))])
    parts = []
    for place in product(*map(range, kernel)):
        starts = [p * int(d) for p, d in zip(place, a["dilation"], strict=True)]
        ends = [s + (n - 1) * int(step) + 1 for s, n, step in zip(starts, size, a["stride"], strict=True)]
        cut = b.op("Slice", [x, _list(b, starts), _list(b, ends), axes, steps])
        parts.append(b.op("Reshape", [cut, split]))
    return b.op("Concat", parts, axis=2) if len(parts) > 1 else parts[0]


def _rows(b: OnnxBuilder) -> int:
    return b.rows if isinstance(b.rows, int) else -1


def _list(b: OnnxBuilder, numbers: Sequence[int]) -> str:
    return b.constant(np.array([int(n) for n in numbers], np.int64))
