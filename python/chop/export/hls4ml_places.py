"""hls4ml's layers and where the numbers of a tensor lie in them: it works channels last, chop channels first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chop.export.hls4ml_types import FixedType


@dataclass(frozen=True)
class Place:
    """Where a tensor lies.

    Attributes:
        layer: that gives it.
        type: of its numbers.
        shape: as hls4ml sees it.
        channels_first: the shape [channels, ...] of chop's whose channels lie last here; None where the numbers lie in
            chop's order.
    """

    layer: str
    type: FixedType
    shape: tuple[int, ...]
    channels_first: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Numbers a row."""
        return int(np.prod(self.shape))

    @property
    def order(self) -> np.ndarray:
        """For each number here its place in chop's flat tensor."""
        places = np.arange(self.size)
        if self.channels_first is None:
            return places
        return np.moveaxis(places.reshape(self.channels_first), 0, -1).reshape(-1)


@dataclass
class Layers:
    """What ``ModelGraph.from_layer_list`` takes.

    Attributes:
        rows: one dict a layer.
        types: layer -> operand -> type.
        statements: that hls4ml writes for the windows of all convolutions.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    types: dict[str, dict[str, str]] = field(default_factory=dict)
    statements: int = 0

    def add(
        self,
        kind: str,
        inputs: Sequence[Place],
        types: dict[str, FixedType],
        shape: Sequence[int],
        channels_first: tuple[int, ...] | None = None,
        **more: Any,
    ) -> Place:
        """Append a layer that gives numbers of ``types["result"]``."""
        name = f"n{len(self.rows)}"
        names = [place.layer for place in inputs] or ["input"]
        self.rows.append({"class_name": kind, "name": name, "inputs": names, **more})
        self.types[name] = {operand: str(each) for operand, each in types.items()}
        return Place(name, types["result"], tuple(shape), channels_first)

    def activation(self, x: Place, to: FixedType, function: str = "linear") -> Place:
        """A function of single numbers whose results are brought into a type."""
        words = {"activation": function, "n_in": x.size}
        return self.add("Activation", [x], {"result": to}, x.shape, x.channels_first, **words)

    def shaped(self, x: Place, shape: Sequence[int]) -> Place:
        """The same numbers in the same places, seen in another shape."""
        if x.shape == tuple(shape):
            return x
        made = self.add("Reshape", [x], {"result": x.type}, shape, target_shape=list(shape))
        return replace(made, channels_first=x.channels_first)

    def natural(self, x: Place) -> Place:
        """In chop's order."""
        if x.channels_first is None:
            return x
        first, *rest = x.channels_first
        if first == 1 or np.prod(rest) == 1:
            return replace(x, channels_first=None)
        x = self.shaped(x, (*rest, first))
        return self._transposed(x, [len(rest), *range(len(rest))], None)

    def channels_last(self, x: Place, shape: tuple[int, ...]) -> Place:
        """In the order in which convolutions and pools of ``shape`` (chop's, channels first) read."""
        if x.channels_first == shape:
            return self.shaped(x, (*shape[1:], shape[0]))
        x = self.natural(x)
        if shape[0] == 1 or np.prod(shape[1:]) == 1:
            return replace(self.shaped(x, (*shape[1:], shape[0])), channels_first=shape)
        x = self.shaped(x, shape)
        return self._transposed(x, [*range(1, len(shape)), 0], shape)

    def _transposed(self, x: Place, perm: list[int], channels_first: tuple[int, ...] | None) -> Place:
        shape = [x.shape[axis] for axis in perm]
        return self.add("Transpose", [x], {"result": x.type}, shape, channels_first, perm=perm)
