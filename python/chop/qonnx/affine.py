"""Factors and offsets: batch norms in their spellings, and sums, differences and products of two operands."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from chop.qonnx.builder import Builder, Value
from chop.qonnx.file import Node
from chop.qonnx.layers import bias_added


@dataclass(frozen=True)
class Doubled:
    """A value on its way through double: what our own files make of a batch norm that is rounded once."""

    source: Value
    factor: np.ndarray | None = None
    offset: np.ndarray | None = None


def batch_norm(b: Builder, node: Node) -> Value:
    """Add a BatchNormalization: as onnxruntime computes it, a product and a sum that are rounded each."""
    if node.whole("training_mode", 0):
        raise node.refuse("is in training mode")
    x = b.read(node)
    given = [b.constant(node, place) for place in range(1, 5)]
    shape = (x.shape[0],)
    if any(v is None or v.shape != shape or v.dtype != np.float32 for v in given):
        raise node.refuse(f"needs scale, bias, mean and variance of {shape[0]} float32 numbers")
    scale, bias, mean, variance = given
    epsilon = np.float32(node.attributes.get("epsilon", 1e-5))
    if not (variance + epsilon > 0).all():
        raise node.refuse("has a variance that is not positive")
    if b.one_batch_norm:
        return _norm(b, node, x, (scale, bias, mean, variance), float(epsilon))
    factor = scale * (np.float32(1) / np.sqrt(variance + epsilon))
    return affine(b, node, x, factor, bias - mean * factor)


def affine(b: Builder, node: Node, x: Value, factor: np.ndarray | None, offset: np.ndarray | None) -> Value:
    """Add ``x * factor + offset``, one number a channel, rounded after each: a batch norm for each."""
    zeros, ones = np.zeros(x.shape[0], np.float32), np.ones(x.shape[0], np.float32)
    if factor is not None:
        label = "" if offset is None else f"{node.label}_factor"
        x = _norm(b, node, x, (factor, zeros, zeros, ones), 0.0, label)
    return x if offset is None else _norm(b, node, x, (ones, offset, zeros, ones), 0.0)


def _norm(
    b: Builder, node: Node, x: Value, parameters: tuple[np.ndarray, ...], eps: float, label: str = ""
) -> Value:
    if not all(np.isfinite(values).all() for values in parameters):
        raise node.refuse("its numbers leave float32")
    rank = len(x.shape)
    if rank not in (1, 2, 3):
        raise node.refuse(f"is a batch norm over {rank - 1} dimensions; none to two are read")
    module = (nn.BatchNorm2d if rank == 3 else nn.BatchNorm1d)(x.shape[0], eps)
    names = ("weight", "bias", "running_mean", "running_var")
    with torch.no_grad():
        for name, values in zip(names, parameters, strict=True):
            getattr(module, name).copy_(torch.from_numpy(np.array(values)))
    return b.layer(node, module, x, label)


def cast(b: Builder, node: Node) -> Value | Doubled:
    """Enter double, or leave it behind a factor and an offset that float32 holds: one batch norm, rounded once."""
    source = b.values.get(node.inputs[0] if node.inputs else "")
    to = node.whole("to", 1)
    if isinstance(source, Value):
        if to == 11:
            return Doubled(source)
        if to == 1:
            return source
    if isinstance(source, Doubled) and to == 1 and source.factor is not None and source.offset is not None:
        if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
            raise node.refuse("rounds a batch norm once, which torch does not on this machine")
        size = source.source.shape[0]
        parameters = (source.factor, source.offset, np.zeros(size, np.float32), np.ones(size, np.float32))
        return _norm(b, node, source.source, parameters, 0.0)
    raise node.refuse("only a batch norm is read in double: Cast, Mul, Add, Cast")


def in_double(b: Builder, node: Node, doubled: Doubled) -> Doubled:
    """Take a factor or an offset into a value in double."""
    numbers = [b.file.constants[name] for name in node.inputs if name in b.file.constants]
    shape = doubled.source.shape
    found = channels(numbers[0], shape) if len(numbers) == 1 else None
    exact = found is not None and np.array_equal(found.astype(np.float32), found)
    if not exact or found is None:
        raise node.refuse("in double only one float32 number a channel is read")
    found = found.astype(np.float32)
    if node.op == "Mul" and doubled.factor is None:
        return replace(doubled, factor=found)
    if node.op == "Add" and doubled.factor is not None and doubled.offset is None:
        return replace(doubled, offset=found)
    raise node.refuse("only a batch norm is read in double: Cast, Mul, Add, Cast")


def channels(numbers: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return one number a channel, if that is how numbers lie beside values of a shape without batch."""
    full = numbers.shape[1:] if numbers.ndim == len(shape) + 1 and numbers.shape[0] == 1 else numbers.shape
    fits = full == (shape[0], *(1 for _ in shape[1:]))
    return numbers.reshape(-1) if fits else None


def two_operands(b: Builder, node: Node) -> Any:
    """Add, Sub or Mul: of two values, of a value and a number, of a value and one number a channel."""
    if len(node.inputs) != 2:
        raise node.refuse("needs two inputs")
    given = [b.values.get(name) for name in node.inputs]
    if doubled := [v for v in given if isinstance(v, Doubled)]:
        return in_double(b, node, doubled[0])
    if node.op == "Add" and (made := bias_added(b, node)) is not None:
        return made
    functions = {"Add": operator.add, "Sub": operator.sub, "Mul": operator.mul}
    format = b.grids.shared_format(node)
    operands: list[Any] = []
    for place, name in enumerate(node.inputs):
        numbers = b.file.constants.get(name)
        if numbers is None:
            operands.append(b.read(node, place))
        elif numbers.size == 1 and numbers.dtype == np.float32:
            operands.append(float(numbers.reshape(-1)[0]))
        else:
            return _per_channel(b, node, 1 - place, numbers)
    if not any(isinstance(operand, Value) for operand in operands):
        raise node.refuse("computes with constants only")
    made = b.call(node, functions[node.op], *operands)
    if format is not None:
        b.quantize(made, data_in=format)
    return made


def _per_channel(b: Builder, node: Node, place: int, numbers: np.ndarray) -> Value:
    x = b.read(node, place)
    found = channels(numbers, x.shape) if numbers.dtype == np.float32 else None
    if found is None or (node.op == "Sub" and place == 1):
        raise node.refuse(
            f"constants of the shape {list(numbers.shape)} are not read: one number, or one a channel"
        )
    if node.op == "Mul":
        return affine(b, node, x, found, None)
    return affine(b, node, x, None, found if node.op == "Add" else -found)
