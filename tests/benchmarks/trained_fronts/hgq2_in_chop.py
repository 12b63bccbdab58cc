"""A trained network of HGQ2 as a torch model and a config of chop, with the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from .cases import Chain

WHOLE = 30  # fractions are no longer than this


def translated(model: Any, sizes: tuple[int, ...]) -> tuple[nn.Module, dict[str, Any]]:
    """The weights as HGQ2 uses them, and a format for each weight and each feature; after a trace."""
    made, config = Chain(sizes), {"by": "name", "default": {"config": {"name": None}}}
    with torch.no_grad():
        for number, layer in enumerate(model.layers):
            linear = made.seq_blocks[2 * number]
            kernel, bias = (np.asarray(each, np.float64) for each in (layer.qkernel, layer.qbias))
            linear.weight.copy_(torch.from_numpy(kernel.T))
            linear.bias.copy_(torch.from_numpy(bias))
            config[f"seq_blocks_{2 * number}"] = {"config": _formats(layer, kernel.T, bias)}
    return made.eval(), config


def _formats(layer: Any, weight: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
    bits, fraction = _of_features(layer, weight.shape[1])
    table: dict[str, Any] = {
        "name": "integer",
        "data_in_width": np.where(bits > 0, bits + 1, 0),  # the sign is there in any case
        "data_in_frac_width": np.where(bits > 0, fraction, 0),
        "data_in_rounding": "half_up",
    }
    for operand, values in (("weight", weight), ("bias", bias)):
        widths, fractions = shortest(values)
        table |= {f"{operand}_width": widths, f"{operand}_frac_width": fractions}
    return table


def _of_features(layer: Any, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    _, integer, fraction = (
        np.broadcast_to(np.rint(np.asarray(each)), (1, inputs))[0].astype(np.int64)
        for each in layer.iq.quantizer.kif
    )
    return np.maximum(integer + fraction, 0), fraction


def shortest(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Width with the sign and fraction width of the shortest format that holds each number; 0 and 0 for a zero."""
    codes = np.abs(np.rint(values * 2.0**WHOLE)).astype(np.int64)
    assert (codes == np.abs(values) * 2.0**WHOLE).all()
    lowest = np.where(codes > 0, codes & -codes, 1)
    spans = np.where(codes > 0, np.frexp((codes // lowest).astype(np.float64))[1], 0)
    fractions = WHOLE - (np.frexp(lowest.astype(np.float64))[1] - 1)
    used = codes > 0
    return np.where(used, spans + 1, 0), np.where(used, fractions, 0)
