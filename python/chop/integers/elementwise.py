"""Elementwise functions that never fall: they commute with views and max pools, and keep a grid where their ends do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from chop.integers.batch_norm import affine_of, multiply_add
from chop.integers.net import Tensor
from chop.integers.view import ViewNode
from chop.nn.quantizers import IntegerFormat
from chop.nn.quantizers.integer import integer_quantizer

# operation -> attributes that hold its ends, or the ends themselves
MONOTONE: dict[str, tuple[str | float | None, str | float | None]] = {
    "relu": (0.0, None),
    "relu6": (0.0, 6.0),
    "hardtanh": ("min_val", "max_val"),
    "clamp": ("min", "max"),
    "clamp_min": ("min", None),
    "clamp_max": (None, "max"),
    "identity": (None, None),
}


def ends_of(op: str, attributes: dict[str, float]) -> tuple[float | None, float | None]:
    """Return the ends of a clamping function in the model's numbers; None where it is open."""
    found = [attributes[end] if isinstance(end, str) else end for end in MONOTONE[op]]
    low, high = (None if end is None or math.isinf(end) else float(np.float32(end)) for end in found)
    return low, high


def grid_ends(node: ViewNode, frac_width: int) -> tuple[int | None, int | None] | None:
    """Return the ends as codes, or None where they do not lie on the grid."""
    ends = ends_of(node.op, dict(node.attributes))
    codes = [None if end is None else end * 2.0**frac_width for end in ends]
    if any(code is not None and code != int(code) for code in codes):
        return None
    low, high = (None if code is None else int(code) for code in codes)
    return low, high


def clamped(op: str, attributes: dict[str, float], x: np.ndarray) -> np.ndarray:
    """Return the function of float32 numbers, as torch computes it."""
    low, high = ends_of(op, attributes)
    if low is not None:
        x = np.where(x < np.float32(low), np.float32(low), x)
    return x if high is None else np.where(x > np.float32(high), np.float32(high), x)


def apply_chain(
    functions: Sequence[ViewNode], x: Tensor, to: IntegerFormat, fuses: bool
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives a quantizer's codes behind functions of codes ``x``: array [channels, ...] -> same shape."""
    scale = np.float32(2.0 ** -int(x.frac_width or 0))
    affines = {n.name: affine_of(n, fuses) for n in functions if n.op.startswith("batch_norm")}

    def codes(sums: np.ndarray) -> np.ndarray:
        y = sums.astype(np.float32) * scale
        for node in functions:
            if node.name in affines:
                shape = (-1,) + (1,) * (y.ndim - 1)
                factor, offset = (v.reshape(shape) for v in affines[node.name])
                y = multiply_add(y, factor, offset, fuses)
            else:
                y = clamped(node.op, dict(node.attributes), y)
        grid = integer_quantizer(y, to.width, to.frac_width, to.is_signed, to.rounding, to.overflow)
        return np.asarray(grid.astype(np.float64) * 2.0**to.frac_width).astype(np.int64)

    return codes
