"""Quantized layers written down a second time, in NumPy and with loops: the oracle of the tests.

All of it in float64, where sums of products of grid points are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Numbers of the tests are far below 2^52, where v + 0.5 is exact in float64.
ROUNDING = {"half_even": np.rint, "floor": np.floor, "half_up": lambda v: np.floor(v + 0.5)}


def on_grid(
    x: np.ndarray,
    width: int,
    frac_width: int | None,
    is_signed: bool = True,
    rounding: str = "half_even",
    overflow: str = "saturate",
) -> np.ndarray:
    frac_width = width // 2 if frac_width is None else frac_width
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if is_signed else (0, 2**width - 1)
    codes = ROUNDING[rounding](x.astype(np.float64) * 2.0**frac_width)
    codes = np.clip(codes, low, high) if overflow == "saturate" else np.mod(codes - low, 2**width) + low
    return codes * 2.0**-frac_width


def operand(x: np.ndarray, config: Mapping[str, Any], name: str, is_signed: bool = True) -> np.ndarray:
    if config.get("bypass", False):
        return x.astype(np.float64)
    source = name if f"{name}_width" in config else "weight"
    modes = {
        mode: config.get(f"{name}_{mode}", config.get(f"weight_{mode}" if name == "bias" else "", usual))
        for mode, usual in (("rounding", "half_even"), ("overflow", "saturate"))
    }
    return on_grid(x, config[f"{source}_width"], config[f"{source}_frac_width"], is_signed, **modes)


def linear(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, config: Mapping[str, Any]
) -> np.ndarray:
    y = np.einsum("...i,oi->...o", operand(x, config, "data_in"), operand(weight, config, "weight"))
    return y if bias is None else y + operand(bias, config, "bias")


def relu(x: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    return np.maximum(operand(x, config, "data_in", is_signed=False), 0)


def conv(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    config: Mapping[str, Any],
    stride: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int = 1,
    padding_mode: str = "zeros",
) -> np.ndarray:
    """Cross-correlation over any number of dimensions; ``pads`` before and after each of them."""
    modes = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    padded = np.pad(operand(x, config, "data_in"), ((0, 0), (0, 0), *pads), mode=modes[padding_mode])
    w = operand(weight, config, "weight")
    kernel, (outputs, inputs) = w.shape[2:], w.shape[:2]
    sizes = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    ]
    y = np.zeros((len(x), outputs, *sizes))
    for position in np.ndindex(*sizes):
        window = tuple(
            slice(p * s, p * s + d * (k - 1) + 1, d)
            for p, s, d, k in zip(position, stride, dilation, kernel, strict=True)
        )
        for o in range(outputs):
            first = o // (outputs // groups) * inputs
            seen = padded[(slice(None), slice(first, first + inputs), *window)]
            y[(slice(None), o, *position)] = (seen * w[o]).sum(axis=tuple(range(1, seen.ndim)))
    if bias is not None:
        y += operand(bias, config, "bias").reshape(-1, *(1,) * len(sizes))
    return y
