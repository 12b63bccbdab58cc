"""EBOPs as arXiv:2405.00645 counts them, of a chain of linear layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def set_span(codes: Tensor) -> Tensor:
    """Bits from the highest to the lowest set one of each whole number, int64; 0 for 0.

    >>> set_span(torch.tensor([0, 1, -4, 6, 5])).tolist()
    [0, 1, 1, 2, 3]
    """
    size = codes.abs()
    odd = size // (size & -size).clamp(min=1)
    return torch.where(size > 0, odd.clamp(min=1).double().log2().floor().long() + 1, 0)


def ebops_hgq(model: nn.Module, config: Mapping[str, Any]) -> float:
    """Sum over weights of input bits without the sign times the span of the weight's set bits; biases are left out.

    Args:
        model: float, with the weights that are rounded.
        config: a sampled config, whose keys are the layers' nodes (``seq_blocks_0`` is ``seq_blocks.0``).
    """
    total = 0.0
    for node, rule in config.items():
        if not isinstance(rule, Mapping) or not node.startswith("seq_blocks_"):
            continue
        layer, table = model.get_submodule(node.replace("seq_blocks_", "seq_blocks.")), rule["config"]
        if not isinstance(layer, nn.Linear) or table.get("name") is None:
            continue
        width, frac = table["weight_width"], table["weight_frac_width"]
        frac = width // 2 if frac is None else frac
        codes = (
            (layer.weight.detach().double() * 2.0**frac)
            .round()
            .clamp(-(2 ** (width - 1)), 2 ** (width - 1) - 1)
        )
        total += (table["data_in_width"] - 1) * float(set_span(codes.long()).sum())
    return total
