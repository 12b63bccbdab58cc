"""Codes of data whose features or channels have formats of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chop.integers.net import NetBuilder, Tensor
from chop.integers.view import ViewNode
from chop.nn.quantizers import ElementFormat
from chop.nn.quantizers.element_format import laid_over


def features_joined(b: NetBuilder, node: ViewNode, parts: Sequence[Tensor], to: ElementFormat) -> Tensor:
    """Return codes on the common grid, of each feature those of its own format; 0 where the width is 0.

    Args:
        b: gets the operations.
        node: that the codes are of.
        parts: all features in each of ``to.parts()``, in that order.
        to: the formats.
    """
    shape = parts[0].shape
    laid_over(to.shape, to.axis, (1, *shape))
    features = np.indices(shape)[to.axis if to.axis < 0 else to.axis - 1].ravel()
    places = np.arange(features.size)
    indices = np.full(features.size, -1, np.int64)
    for number, (_, mask) in enumerate(to.parts()):
        chosen = mask[features]
        indices[chosen] = number * features.size + places[chosen]
    aligned = [b.to_grid(part, to.common.frac_width, node) for part in parts]
    if len(aligned) == 1 and (indices >= 0).all():
        return aligned[0]
    low, high = min(0, *(t.low for t in aligned)), max(0, *(t.high for t in aligned))
    grid = to.common.frac_width, low, high
    all_of_them = aligned[0]
    if len(aligned) > 1:
        joined = (len(aligned) * shape[0], *shape[1:])
        all_of_them = b.add("cat", aligned, node, joined, grid, axis=0)
    return b.add("gather", [all_of_them], node, shape, grid, {"indices": indices})
