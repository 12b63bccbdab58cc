"""Operations that only move numbers, as the places that their outputs are read from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chop.integers.net import NotIntegerError
from chop.integers.view import ViewNode

VIEWS = frozenset({"flatten", "view", "unsqueeze", "squeeze", "permute", "transpose", "slice", "pad"})


def indices_of(node: ViewNode, shape: Sequence[int]) -> np.ndarray | None:
    """Return for each output of a row the place in the flat input, -1 for a padded zero; None for a mere reshape.

    Args:
        node: one of :data:`VIEWS`. shape: of its input, without the batch.

    Raises:
        ValueError: it pads with another number than zero.
    """
    places, a = np.arange(int(np.prod(shape))).reshape(shape), node.attributes
    if node.op == "permute":
        places = places.transpose([int(d) - 1 for d in a["dims"][1:]])
    elif node.op == "transpose":
        places = places.swapaxes(*((int(a[key]) % (len(shape) + 1)) - 1 for key in ("dim0", "dim1")))
    elif node.op == "slice":
        cuts = zip(a["start"][1:], a["size"][1:], a["step"][1:], strict=True)
        places = places[tuple(slice(s, s + (n - 1) * step + 1, step) for s, n, step in cuts)]
    elif node.op == "pad":
        if a["value"]:
            raise NotIntegerError(node.name, f"pads with {a['value']:g}, which is not zero")
        sides = list(zip(a["before"][1:], a["after"][1:], strict=True))
        places = np.pad(places, sides, constant_values=-1)
    else:
        return None
    return places.reshape(-1).astype(np.int64)
