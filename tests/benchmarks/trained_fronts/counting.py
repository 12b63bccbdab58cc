"""The bits of a weight that arXiv:2405.00645 counts."""

from __future__ import annotations

import torch
from torch import Tensor


def set_span(codes: Tensor) -> Tensor:
    """Bits from the highest to the lowest set one of each whole number, int64; 0 for 0.

    >>> set_span(torch.tensor([0, 1, -4, 6, 5])).tolist()
    [0, 1, 1, 2, 3]
    """
    size = codes.abs()
    odd = size // (size & -size).clamp(min=1)
    return torch.where(size > 0, odd.clamp(min=1).double().log2().floor().long() + 1, 0)
