"""Layers on codes in Python's own integers: no bound, no rounding before the end."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Codes = NDArray[np.object_]


@dataclass(frozen=True)
class Sums:
    """Sums in units of 2^-frac, the largest sum of magnitudes of each, and how many inputs saturated."""

    values: Codes
    reach: int
    frac: int
    saturated: int

    def floats(self) -> Tensor:
        """Each sum rounded once to float32; sums must be below 2^53."""
        assert all(abs(value) < 2**53 for value in self.values.ravel())
        return torch.from_numpy((self.values.astype(np.float64) * 2.0**-self.frac).astype(np.float32))


def to_codes(values: Tensor, formats: dict[str, Any], operand: str) -> tuple[Codes, int]:
    """Codes of an operand's signed format, and how many numbers lay beyond its range."""
    width, frac = formats[f"{operand}_width"], formats[f"{operand}_frac_width"]
    scaled = values.detach().double().numpy() * 2.0**frac
    rounding = {"half_even": np.rint, "floor": np.floor, "half_up": lambda v: np.floor(v + 0.5)}
    rounded = rounding[formats.get(f"{operand}_rounding", "half_even")](scaled)
    whole = np.array([int(value) for value in rounded.ravel()], dtype=object).reshape(scaled.shape)
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    beyond = int(((whole < low) | (whole > high)).sum())
    if formats.get(f"{operand}_overflow") == "wrap":
        return (whole - low) % 2**width + low, beyond
    return np.clip(whole, low, high), beyond


def layer_sums(layer: nn.Module, x: Tensor, formats: dict[str, Any]) -> Sums:
    """What a Linear, Conv1d or Conv2d sums under a table such as ``models.integer`` makes."""
    codes, saturated = to_codes(x, formats, "data_in")
    weight, _ = to_codes(layer.weight, formats, "weight")
    product_frac = formats["data_in_frac_width"] + formats["weight_frac_width"]
    multiply = _linear if isinstance(layer, nn.Linear) else _convolution
    sums, reach, frac = multiply(layer, codes, weight), multiply(layer, abs(codes), abs(weight)), product_frac
    if layer.bias is not None:
        bias, _ = to_codes(layer.bias, formats, "bias")
        if not isinstance(layer, nn.Linear):
            bias = bias.reshape(-1, *[1] * (codes.ndim - 2))
        frac = max(product_frac, formats["bias_frac_width"])
        products, biases = 2 ** (frac - product_frac), 2 ** (frac - formats["bias_frac_width"])
        sums, reach = sums * products + bias * biases, reach * products + abs(bias) * biases
    return Sums(sums, max(reach.ravel()), frac, saturated)


def _linear(layer: nn.Module, x: Codes, weight: Codes) -> Codes:
    return x.dot(weight.T)


def _convolution(layer: Any, x: Codes, weight: Codes) -> Codes:
    """[rows, channels, …] by [out, channels / groups, taps…], a tap after the other."""
    padding = [(0, 0), (0, 0), *[(p, p) for p in layer.padding]]
    x = np.pad(x, padding, constant_values=0)
    x = np.vectorize(int, [object])(x)  # the zeros are NumPy's
    sizes = [
        (x.shape[2 + i] - layer.dilation[i] * (layer.kernel_size[i] - 1) - 1) // layer.stride[i] + 1
        for i in range(len(layer.padding))
    ]
    out, channels = weight.shape[0] // layer.groups, weight.shape[1]
    sums = np.zeros((len(x), weight.shape[0], *sizes), dtype=object)
    for group, tap in product(range(layer.groups), product(*map(range, layer.kernel_size))):
        window = tuple(
            slice(t * d, t * d + s * size, s)
            for t, d, s, size in zip(tap, layer.dilation, layer.stride, sizes, strict=True)
        )
        part = x[(slice(None), slice(group * channels, (group + 1) * channels), *window)]
        taps = weight[(slice(group * out, (group + 1) * out), slice(None), *tap)]
        sums[:, group * out : (group + 1) * out] += np.moveaxis(np.tensordot(part, taps.T, (1, 0)), -1, 1)
    return sums
