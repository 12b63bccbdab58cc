"""Pieces of an integer net: what leads to some of its tensors, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chop.integers.execute import execute
from chop.integers.net import IntegerNet, Operation, Tensor


def until(net: IntegerNet, tensor: Tensor) -> IntegerNet:
    """Return the net that ends at one of its tensors, of codes or floats."""
    wanted, kept = {tensor.name}, list[Operation]()
    for op in reversed(net.operations):
        if op.output.name in wanted or op.kind == "input":
            wanted.update(op.inputs)
            kept.append(op)
    return IntegerNet(tuple(kept[::-1]), tensor, net.fuses_batch_norm)


def codes_of(net: IntegerNet, tensors: Sequence[Tensor], x: np.ndarray) -> np.ndarray:
    """Return the codes of tensors, one beside the other, int64, shape [rows, numbers].

    Args:
        net: any. tensors: of codes. x: float32, shape [rows, ...].
    """
    parts = [execute(until(net, tensor), x).reshape(len(x), tensor.size) for tensor in tensors]
    joined = np.concatenate(parts, 1) if parts else np.zeros((len(x), 0))
    return joined.astype(np.int64)


def chain_before(net: IntegerNet, op: Operation) -> list[Operation] | None:
    """Return the elementwise operations on floats between the input and ``op``; None where others are among them."""
    made = {each.output.name: each for each in net.operations}
    found: list[Operation] = []
    before = made[op.inputs[0]]
    while before.kind != "input":
        if before.kind not in ("affine", "float"):
            return None
        found.append(before)
        before = made[before.inputs[0]]
    return found[::-1]


def one_number_a_channel(op: Operation) -> Operation:
    """Return an elementwise operation for the shape [channels]."""
    return replace(op, output=replace(op.output, shape=op.output.shape[:1]))
