"""Layers whose elements have formats of their own, in Python's whole numbers on the finest of their grids."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.nn.fixed_point_oracle import MODES, value

from .integer_oracle import Codes, Sums, _convolution, _linear


def random_operand(
    random: np.random.Generator, operand: str, shape: Any, lowest: int, fracs: range
) -> dict[str, Any]:
    """Widths from ``lowest`` on and fraction widths of one operand, in any modes; a few widths are 0."""
    widths = random.integers(lowest, lowest + 5, shape)
    widths[random.random(shape) < 0.15] = 0
    rounding, overflow = MODES[random.integers(len(MODES))]
    return {
        f"{operand}_width": widths,
        f"{operand}_frac_width": random.integers(fracs.start, fracs.stop, shape),
        f"{operand}_rounding": rounding,
        f"{operand}_overflow": overflow,
    }


def to_codes(values: Tensor, table: dict[str, Any], operand: str, axis: int) -> tuple[Codes, int, int]:
    """Codes on the common grid, its fraction width, and how many numbers lay beyond their own range."""
    x = values.detach().numpy()
    widths, fracs = (np.asarray(table[f"{operand}_{field}"]) for field in ("width", "frac_width"))
    lie = [1] * x.ndim
    lie[axis] = -1
    widths, fracs = (
        np.broadcast_to(n if n.ndim == x.ndim or n.ndim == 0 else n.reshape(lie), x.shape)
        for n in (widths, fracs)
    )
    modes = table.get(f"{operand}_rounding", "half_even"), table.get(f"{operand}_overflow", "saturate")
    used = widths > 0
    finest = int(fracs[used].max()) if used.any() else 0
    codes, beyond = np.zeros(x.shape, object), 0
    for place in zip(*np.nonzero(used), strict=True):
        width, frac, given = int(widths[place]), int(fracs[place]), float(x[place])
        on_grid = float(value(given, np.float64, (width, frac, True, *modes)))
        free = float(value(given, np.float64, (60, frac, True, modes[0], "saturate"))) * 2.0**frac
        beyond += not -(2 ** (width - 1)) <= free <= 2 ** (width - 1) - 1
        codes[place] = int(on_grid * 2.0**finest)
    return codes, finest, beyond


def layer_sums(layer: nn.Module, x: Tensor, table: dict[str, Any]) -> Sums:
    """What a Linear, Conv1d or Conv2d sums under a table."""
    axis = -1 if isinstance(layer, nn.Linear) else 1
    codes, x_frac, beyond = to_codes(x, table, "data_in", axis)
    weight, w_frac, _ = to_codes(layer.weight, table, "weight", 0)
    bias, b_frac, _ = to_codes(layer.bias, table, "bias", 0)
    multiply = _linear if isinstance(layer, nn.Linear) else _convolution
    sums, reach = multiply(layer, codes, weight), multiply(layer, abs(codes), abs(weight))
    if not isinstance(layer, nn.Linear):
        bias = bias.reshape(-1, *[1] * (codes.ndim - 2))
    frac = max(x_frac + w_frac, b_frac)
    products, biases = 2 ** (frac - x_frac - w_frac), 2 ** (frac - b_frac)
    return Sums(
        sums * products + bias * biases, max((reach * products + abs(bias) * biases).ravel()), frac, beyond
    )


def bound(layer: nn.Module, table: dict[str, Any]) -> int:
    """The largest sum that any input can give: the largest code of each channel by what it meets."""
    channels = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
    widths, fracs = (np.broadcast_to(table[f"data_in_{f}"], channels) for f in ("width", "frac_width"))
    used = widths > 0
    finest = int(fracs[used].max()) if used.any() else 0
    largest = [
        2 ** (int(w) - 1) * 2 ** (finest - int(f)) if w else 0 for w, f in zip(widths, fracs, strict=True)
    ]
    weight, w_frac, _ = to_codes(layer.weight, table, "weight", 0)
    bias, b_frac, _ = to_codes(layer.bias, table, "bias", 0)
    frac = max(finest + w_frac, b_frac)
    groups = getattr(layer, "groups", 1)
    out, per = weight.shape[0] // groups, channels // groups
    found = 0
    for o in range(weight.shape[0]):
        row = weight[o].reshape(per, -1)
        met = sum(sum(abs(row[c])) * largest[o // out * per + c] for c in range(per))
        found = max(found, met * 2 ** (frac - finest - w_frac) + abs(bias[o]) * 2 ** (frac - b_frac))
    return found


def random_input(random: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    """Ties, and numbers beyond every range."""
    return torch.from_numpy((random.integers(-900, 900, shape) / 64).astype(np.float32))
