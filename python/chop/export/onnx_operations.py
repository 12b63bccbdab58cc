"""The operations of the lowered graph that need no format, as ONNX nodes that compute the same float32 numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chop.export.onnx_builder import OnnxBuilder
from chop.integers import QuantizedView, ViewNode
from chop.integers.batch_norm import affine_of

Maker = Callable[[OnnxBuilder, QuantizedView, ViewNode, Sequence[str]], str]


def _plain(kind: str) -> Maker:
    return lambda b, view, node, inputs: b.op(kind, inputs, node.name)


def batch_norm_in_double(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
    """Double holds the product exactly, so that the last cast is the one rounding of a fused multiply-add."""
    import onnx

    shape = (-1, *(1 for _ in node.shape[1:]))
    factor, offset = (v.reshape(shape) for v in affine_of(node, view.fuses_batch_norm))
    x, kind = inputs[0], np.float64 if view.fuses_batch_norm else np.float32
    if view.fuses_batch_norm:
        x = b.op("Cast", [x], to=onnx.TensorProto.DOUBLE)
    y = b.op("Mul", [x, b.constant(factor.astype(kind))])
    offsets = b.constant(offset.astype(kind))
    if not view.fuses_batch_norm:
        return b.op("Add", [y, offsets], node.name)
    return b.op("Cast", [b.op("Add", [y, offsets])], node.name, to=onnx.TensorProto.FLOAT)


def _clip(low: str | float, high: str | float) -> Maker:
    def make(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
        ends = [node.attributes[e] if isinstance(e, str) else e for e in (low, high)]
        given = [b.scalar(e) if np.isfinite(e) else "" for e in ends]
        return b.op("Clip", [*inputs, *given], node.name)

    return make


def _scalar(kind: str) -> Maker:
    def make(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
        operands = [*inputs, b.scalar(node.number)]
        return b.op(kind, operands[::-1] if node.attributes["reversed"] else operands, node.name)

    return make


def _pool(kind: str) -> Maker:
    def make(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
        a = node.attributes
        options = {"kernel_shape": a["kernel_size"], "strides": a["stride"], "dilations": a["dilation"]}
        options |= {"pads": [*a["padding"], *a["padding"]], "ceil_mode": int(a["ceil_mode"])}
        if kind == "AveragePool":
            options["count_include_pad"] = int(a["count_include_pad"])
        return b.op(kind, inputs, node.name, **options)

    return make


def _reshape(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
    fixed = isinstance(b.rows, int)
    shape = np.array([b.rows if fixed else -1, *node.shape], np.int64)
    name = (
        f"{node.name}.shape" if fixed else ""
    )  # who changes the batch writes to it: nobody else may read it
    return b.op("Reshape", [*inputs, b.constant(shape, name)], node.name)


def _permute(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
    return b.op("Transpose", inputs, node.name, perm=list(node.attributes["dims"]))


def _transpose(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
    dims = list(range(len(node.shape) + 1))
    first, second = (int(node.attributes[key]) % len(dims) for key in ("dim0", "dim1"))
    dims[first], dims[second] = dims[second], dims[first]
    return b.op("Transpose", inputs, node.name, perm=dims)


def _slice(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
    a, before = node.attributes, view[node.inputs[0]].shape
    axes = range(1, len(before) + 1)
    starts, steps = ([a[key][axis] for axis in axes] for key in ("start", "step"))
    ends = [s + (a["size"][axis] - 1) * step + 1 for s, step, axis in zip(starts, steps, axes, strict=True)]
    lists = {"starts": starts, "ends": ends, "axes": list(axes), "steps": steps}
    given = [b.constant(np.array(v, np.int64)) for v in lists.values()]
    name = node.name if len(before) == len(node.shape) else ""
    sliced = b.op("Slice", [*inputs, *given], name)
    return sliced if name == node.name else _reshape(b, view, node, [sliced])


def _cat(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
    return b.op("Concat", inputs, node.name, axis=int(node.attributes["dim"]))


def _pad(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
    pads = np.array([*node.attributes["before"], *node.attributes["after"]], np.int64)
    return b.op("Pad", [*inputs, b.constant(pads), b.scalar(node.attributes["value"])], node.name)


# Operations of the lowered graph -> what makes them. Sums of floats are none of them: runtimes choose their order.
OPERATIONS: dict[str, Maker] = {
    "relu": _plain("Relu"),
    "relu6": _clip(0.0, 6.0),
    "hardtanh": _clip("min_val", "max_val"),
    "clamp": _clip("min", "max"),
    "clamp_min": _clip("min", np.inf),
    "clamp_max": _clip(-np.inf, "max"),
    "abs": _plain("Abs"),
    "neg": _plain("Neg"),
    "identity": _plain("Identity"),
    "batch_norm1d": batch_norm_in_double,
    "batch_norm2d": batch_norm_in_double,
    "add": _plain("Add"),
    "sub": _plain("Sub"),
    "mul": _plain("Mul"),
    "minimum": _plain("Min"),
    "maximum": _plain("Max"),
    "add_scalar": _scalar("Add"),
    "sub_scalar": _scalar("Sub"),
    "mul_scalar": _scalar("Mul"),
    "max_pool1d": _pool("MaxPool"),
    "max_pool2d": _pool("MaxPool"),
    "avg_pool1d": _pool("AveragePool"),
    "avg_pool2d": _pool("AveragePool"),
    "flatten": _reshape,
    "view": _reshape,
    "unsqueeze": _reshape,
    "squeeze": _reshape,
    "permute": _permute,
    "transpose": _transpose,
    "slice": _slice,
    "cat": _cat,
    "pad": _pad,
}
