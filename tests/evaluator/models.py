"""Chains of layers for the tests, with batch-norm statistics that are not trivial."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn


def chain(sizes: tuple[int, ...], seed: int = 0, first_norm: bool = True) -> nn.Sequential:
    """BatchNorm and ReLU in front (if asked), then Linear, BatchNorm, ReLU for each pair of sizes; eval mode."""
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = [nn.BatchNorm1d(sizes[0]), nn.ReLU()] if first_norm else []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    model = nn.Sequential(*layers).eval()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.6)
        for layer in layers:
            if isinstance(layer, nn.BatchNorm1d):
                layer.running_var.copy_(torch.rand(layer.num_features, generator=generator) + 0.3)
                layer.weight.copy_(torch.rand(layer.num_features, generator=generator) + 0.5)
    return model


def data(rows: int, features: int, classes: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, features, generator=generator) * 2
    return x, torch.randint(0, classes, (rows,), generator=generator)


def integer(*widths: int | None) -> dict[str, Any]:
    """Width and fraction width of data_in, weight and bias, in this order; one pair serves all three."""
    widths = widths * 3 if len(widths) == 2 else widths
    keys = [
        f"{operand}_{key}" for operand in ("data_in", "weight", "bias") for key in ("width", "frac_width")
    ]
    return {"name": "integer", **dict(zip(keys, widths, strict=True))}


def by_type(**rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "by": "type",
        "default": {"config": {"name": None}},
        **{k: {"config": v} for k, v in rules.items()},
    }
