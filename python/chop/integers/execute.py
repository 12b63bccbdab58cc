"""Runs an integer net in NumPy: slow, plain, and independent of the evaluator's kernels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from chop.integers.batch_norm import multiply_add
from chop.integers.elementwise import clamped
from chop.integers.net import IntegerNet, Operation
from chop.nn.quantizers.integer import integer_quantizer

_AT_ONCE = 1 << 19  # numbers of one value: what a processor's caches hold, not the memory


def execute(net: IntegerNet, x: np.ndarray) -> np.ndarray:
    """Return the outputs of a net, float32, shape [rows, ...].

    Args:
        net: of :func:`~chop.integers.integer_net`.
        x: float32, shape [rows, ...].

    Raises:
        ArithmeticError: a code left the range that the net states for it.
    """
    block = max(1, _AT_ONCE // max(1, *(op.output.size for op in net.operations)))
    parts = [_run(net, x[i : i + block]) for i in range(0, len(x), block)]
    return np.concatenate(parts) if parts else np.zeros((0, *net.output.shape), np.float32)


def _run(net: IntegerNet, x: np.ndarray) -> np.ndarray:
    values: dict[str, np.ndarray] = {}
    for op in net.operations:
        if op.kind == "input":
            made = x
        elif op.kind == "affine":
            factor, offset = (_along(op.constants[key], values[op.inputs[0]]) for key in ("factor", "offset"))
            made = multiply_add(values[op.inputs[0]], factor, offset, net.fuses_batch_norm)
        else:
            made = KINDS[op.kind](op, *(values[name] for name in op.inputs))
        if op.output.frac_width is not None:
            _check_range(op, made)
        values[op.output.name] = made.reshape(len(x), *op.output.shape)
    return values[net.output.name]


def _check_range(op: Operation, codes: np.ndarray) -> None:
    least, most = op.output.low, op.output.high
    if codes.size and (codes.min() < least or codes.max() > most):
        raise ArithmeticError(f"{op.output.name}: codes {codes.min()}..{codes.max()} leave {least}..{most}")


def _along(constants: np.ndarray, x: np.ndarray) -> np.ndarray:
    """One number a channel beside [rows, channels, ...]."""
    return constants.reshape(1, -1, *(1,) * (x.ndim - 2))


def _quantize(op: Operation, x: np.ndarray) -> np.ndarray:
    s, frac = op.settings, int(op.output.frac_width or 0)
    grid = integer_quantizer(x, s["width"], frac, op.output.low < 0, s["rounding"], s["overflow"])
    lowest = np.where(np.isnan(grid), op.output.low * 2.0**-frac, grid)  # no code stands for NaN
    return np.asarray(lowest * 2.0**frac).astype(np.int64)


def requantized(op: Operation, v: np.ndarray) -> np.ndarray:
    """Drop ``shift`` bits, round, bring into range."""
    s = op.settings
    shift, low, high = s["shift"], op.output.low, op.output.high
    if shift <= 0:
        bound = max(-low, high) + 1  # far codes need no exact shift
        q = (np.clip(v, -bound, bound) if s["overflow"] == "saturate" else v) << min(-shift, 62)
    elif shift > 62:
        q = np.where(v < 0, -1, 0) if s["rounding"] == "floor" else np.zeros_like(v)
    else:
        q, rest = v >> shift, v & ((1 << shift) - 1)
        half = 1 << (shift - 1)
        if s["rounding"] == "half_even":
            q = q + ((rest > half) | ((rest == half) & (q & 1 == 1)))
        elif s["rounding"] == "half_up":
            q = q + (rest >= half)
    if s["overflow"] == "saturate":
        return np.clip(q, low, high)
    return ((q - low) & ((1 << s["width"]) - 1)) + low


def _linear(op: Operation, x: np.ndarray) -> np.ndarray:
    kind = _type_of_sums(op.constants["weight"], x)
    products = x.astype(kind) @ op.constants["weight"].T.astype(kind)
    return _rounded(op, products.astype(np.int64) + op.constants["bias"])


def _type_of_sums(weight: np.ndarray, x: np.ndarray) -> type[np.generic]:
    """A type that holds all partial sums of products exactly; NumPy multiplies matrices of floats much faster."""
    most = max(-float(x.min(initial=0)), float(x.max(initial=0)))
    bound = most * np.abs(weight.reshape(len(weight), -1).astype(np.float64)).sum(1).max(initial=0.0)
    return np.float32 if bound < 2**24 else np.float64 if bound < 2**53 else np.int64


def _rounded(op: Operation, sums: np.ndarray) -> np.ndarray:
    return sums.astype(np.float32).astype(np.float64).astype(np.int64) if op.settings["rounded"] else sums


def _windows(x: np.ndarray, kernel: list[int], stride: list[int], dilation: list[int]) -> np.ndarray:
    """[rows, channels, *positions, *kernel] of [rows, channels, *size]."""
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    axes = tuple(range(2, 2 + len(kernel)))
    found = np.lib.stride_tricks.sliding_window_view(x, span, axis=axes)
    steps = (1, 1, *stride, *dilation)
    return np.asarray(found[tuple(slice(None, None, step) for step in steps)])


def _conv(op: Operation, x: np.ndarray) -> np.ndarray:
    s, weight, size = op.settings, op.constants["weight"], op.output.shape[1:]
    kind = _type_of_sums(weight, x)
    pads = list(zip(s["padding"][::2], s["padding"][1::2], strict=True))
    padded = np.pad(x.astype(kind), [(0, 0), (0, 0), *pads])
    groups, places = int(s["groups"]), int(np.prod(size, dtype=np.int64))
    matrices = np.moveaxis(weight.astype(kind).reshape(groups, -1, *weight.shape[1:]), (1, 2), (-2, -1))
    sums = np.zeros((len(x), groups, len(weight) // groups, places), kind)
    for place in product(*map(range, weight.shape[2:])):  # of the kernel
        cut = (
            slice(p * d, p * d + (n - 1) * step + 1, step)
            for p, d, n, step in zip(place, s["dilation"], size, s["stride"], strict=True)
        )
        met = padded[(slice(None), slice(None), *cut)].reshape(len(x), groups, -1, places)
        at: tuple[slice | int, ...] = (slice(None), *place)
        sums += np.ascontiguousarray(matrices[at]) @ met
    found = sums.reshape(len(x), len(weight), *size).astype(np.int64)
    return _rounded(op, found + _along(op.constants["bias"], found))


def _pool(op: Operation, x: np.ndarray) -> np.ndarray:
    s, kernel = op.settings, list(op.settings["kernel_size"])
    spatial = len(kernel)
    is_max = op.kind == "max_pool"
    pads = [(0, 0), (0, 0)]
    for i in range(spatial):
        reach = (op.output.shape[1 + i] - 1) * s["stride"][i] + (kernel[i] - 1) * s["dilation"][i] + 1
        before = s["padding"][i]
        pads.append((before, max(0, reach - before - x.shape[2 + i])))
    padded = np.pad(x, pads, constant_values=np.iinfo(np.int64).min if is_max else 0)
    windows = _windows(padded, kernel, list(s["stride"]), list(s["dilation"]))
    windows = windows[(slice(None), slice(None), *(slice(0, n) for n in op.output.shape[1:]))]
    axes = tuple(range(2 + spatial, 2 + 2 * spatial))
    return np.asarray(windows.max(axes) if is_max else windows.sum(axes))


def _steps(op: Operation, x: np.ndarray) -> np.ndarray:
    sign, first = (_along(op.constants[key], x) for key in ("sign", "first"))
    found = np.empty_like(x)
    for channel, steps in enumerate(op.constants["steps"]):
        found[:, channel] = np.searchsorted(steps, (sign * x)[:, channel], side="right")
    return found + first


def _line(op: Operation, x: np.ndarray) -> np.ndarray:
    factor, offset, shift, least, most = (
        _along(op.constants[key], x) for key in ("factor", "offset", "shift", "least", "most")
    )
    return np.clip((x * factor + offset) >> shift, least, most)


def _gather(op: Operation, x: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    padded = np.concatenate([flat, np.zeros((len(x), 1), flat.dtype)], 1)
    return padded[:, op.constants["indices"]]


def _float(op: Operation, x: np.ndarray) -> np.ndarray:
    attributes: dict[str, Any] = {k: v for k, v in op.settings.items() if k != "function"}
    return clamped(op.settings["function"], attributes, x)


def _value(op: Operation, x: np.ndarray, frac: int) -> np.ndarray:
    return np.asarray(x.astype(np.float32) * np.float32(2.0**-frac))


KINDS: dict[str, Callable[..., np.ndarray]] = {
    "quantize": _quantize,
    "requantize": requantized,
    "linear": _linear,
    "conv": _conv,
    "value": lambda op, x: _value(op, x, op.settings["frac_width"]),
    "float": _float,
    "clamp": lambda op, x: np.clip(x, op.output.low, op.output.high),
    "add": lambda op, a, b: a + b,
    "sub": lambda op, a, b: a - b,
    "mul": lambda op, a, b: a * b,
    "shift": lambda op, x: x << op.settings["bits"],
    "cat": lambda op, *parts: np.concatenate(parts, op.settings["axis"] + 1),
    "max_pool": _pool,
    "sum_pool": _pool,
    "reshape": lambda op, x: x,
    "gather": _gather,
    "thresholds": _steps,
    "multiply_add_shift": _line,
}
