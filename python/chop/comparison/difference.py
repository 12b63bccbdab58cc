"""Adds up, batch by batch, how far the results of two nodes lie apart; nothing of the data is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chop.tools.errors import ConfigError
from chop.tools.text_tables import decibels

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_LARGEST = torch.iinfo(torch.int64).max


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When two values count as equal: ``|a - b| <= atol + rtol * |a|``, or the very same bits.

    NaN equals NaN. ``bitwise`` tells -0.0 from 0.0.

    Raises:
        ConfigError: a negative tolerance, or one beside ``bitwise``.
    """

    atol: float = 0.0
    rtol: float = 0.0
    bitwise: bool = False

    def __post_init__(self) -> None:
        for name, value in (("atol", self.atol), ("rtol", self.rtol)):
            if not (isinstance(value, (int, float)) and 0.0 <= value < math.inf):
                raise ConfigError(f"compare: {name} must be a number of 0 or more, got {value!r}")
        if self.bitwise and (self.atol or self.rtol):
            raise ConfigError("compare: with bitwise=True nothing is tolerated, so atol and rtol must be 0")


@dataclass(frozen=True, slots=True)
class Place:
    """One element of a result: its index and the value in each graph."""

    index: tuple[int, ...]
    a: float
    b: float

    def __str__(self) -> str:
        return f"{list(self.index)}: {self.a!r} and {self.b!r}"


class DifferenceSum:
    """The difference of two nodes' results over the batches seen so far."""

    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance
        self.elements = self.differing = 0
        self.max_abs = 0.0
        self.max_ulps: float | None = None
        self.signal = self.error = 0.0
        self.largest: Place | None = None
        self.first: Place | None = None
        self.shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        self.dtypes = ("", "")
        self._seen = False

    @property
    def sqnr_db(self) -> float:
        """Power of the first graph's values over that of the differences."""
        return decibels(self.signal, self.error)

    def add(self, a: Tensor, b: Tensor, first_row: int | None) -> None:
        """Take the results of one batch; ``first_row``: what to add to the index of a row, None without rows."""
        self._grow_shapes(a, b, first_row is not None)
        self.elements += a.numel()
        if a.shape != b.shape:
            self.differing += a.numel()
            self.max_abs, self.error = math.inf, math.inf
            return
        wide = [_wide(tensor) for tensor in (a, b)]
        same = (wide[0] == wide[1]) | (torch.isnan(wide[0]) & torch.isnan(wide[1]))
        if a.dtype == b.dtype:  # whole numbers beyond 2^53 are exact here only
            same = same & _same(a, b)
        self.signal += float(torch.where(torch.isfinite(wide[0]), wide[0], 0.0).square().sum())
        exact = bool(same.all())
        if exact and not self.tolerance.bitwise:
            return
        distance = (wide[0] - wide[1]).abs().nan_to_num(nan=math.inf, posinf=math.inf)
        distance = torch.where(same, 0.0, distance)
        differs = self._differs(a, b, wide[0], same, distance)
        self.error += float(distance.square().sum())
        self.differing += int(differs.sum())
        if not exact:
            self._add_ulps(a, b, same)
        self._add_places(a, wide, distance, differs, first_row or 0)

    def _grow_shapes(self, a: Tensor, b: Tensor, has_rows: bool) -> None:
        shapes = (tuple(a.shape), tuple(b.shape))
        if self._seen and has_rows:
            shapes = tuple(  # type: ignore[assignment]
                (old[0] + new[0], *new[1:]) if old and new else new
                for old, new in zip(self.shapes, shapes, strict=True)
            )
        self.shapes, self._seen = shapes, True
        self.dtypes = (str(a.dtype).removeprefix("torch."), str(b.dtype).removeprefix("torch."))

    def _differs(self, a: Tensor, b: Tensor, reference: Tensor, same: Tensor, distance: Tensor) -> Tensor:
        if self.tolerance.bitwise:
            return ~_same_bits(a, b)
        if not (self.tolerance.atol or self.tolerance.rtol):
            return ~same
        allowed = self.tolerance.atol + self.tolerance.rtol * reference.abs()
        return ~(same | (torch.isfinite(distance) & (distance <= allowed)))

    def _add_ulps(self, a: Tensor, b: Tensor, same: Tensor) -> None:
        if a.dtype != b.dtype or not a.dtype.is_floating_point or a.element_size() == 1:
            return
        mine, theirs = a[~same], b[~same]
        finite = torch.isfinite(mine) & torch.isfinite(theirs)
        found: float = int(_ulps(mine, theirs)[finite].max()) if bool(finite.any()) else 0
        if not bool(finite.all()):
            found = math.inf
        self.max_ulps = max(self.max_ulps or 0, found)

    def _add_places(self, a: Tensor, wide: list[Tensor], distance: Tensor, differs: Tensor, row: int) -> None:
        if distance.numel() == 0:
            return
        flat = distance.flatten()
        at = int(flat.argmax())
        if float(flat[at]) > self.max_abs:
            self.max_abs = float(flat[at])
            self.largest = _place(a, wide, at, row)
        if bool(differs.any()):
            at = int(differs.flatten().to(torch.uint8).argmax())
            self.first = self.first or _place(a, wide, at, row)
            self.largest = self.largest or self.first  # -0.0 and 0.0: other bits, no distance


def leaves(value: Any, path: str = "") -> list[tuple[str, Tensor]]:
    """Return the tensors and numbers in a node's result, each with its path, such as ``[1]``.

    >>> [path for path, _ in leaves((torch.ones(2), {"n": 3}, "text"))]
    ['[0]', "[1]['n']"]
    """
    if isinstance(value, Tensor):
        return [(path, value.detach())]
    if isinstance(value, (bool, int, float)):
        return [(path, torch.tensor(value))]
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, f"{path}[{key!r}]")]
    if isinstance(value, (list, tuple)):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, f"{path}[{index}]")]
    return []


def _wide(tensor: Tensor) -> Tensor:
    return (torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor).double()


def _real(tensor: Tensor) -> Tensor:
    tensor = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return tensor.resolve_neg().contiguous()


def _same(a: Tensor, b: Tensor) -> Tensor:
    a, b = _real(a), _real(b)
    return (a == b) | (torch.isnan(a) & torch.isnan(b))


def _same_bits(a: Tensor, b: Tensor) -> Tensor:
    a, b = _real(a), _real(b)
    if a.dtype != b.dtype:
        return torch.zeros(a.shape, dtype=torch.bool, device=a.device)
    bits = _BITS[a.element_size()]
    return (a.view(bits) == b.view(bits)) | (torch.isnan(a) & torch.isnan(b))


def _ulps(a: Tensor, b: Tensor) -> Tensor:
    """How many floats of their dtype lie between two finite numbers, at most 2^63 - 1."""
    size = a.element_size()
    sign = 1 << (8 * size - 1)
    codes = [tensor.contiguous().view(_BITS[size]).to(torch.int64) for tensor in (a, b)]
    steps = [code & (sign - 1) for code in codes]  # from zero
    apart = torch.where(steps[0] > _LARGEST - steps[1], _LARGEST, steps[0] + steps[1])
    return torch.where((codes[0] < 0) == (codes[1] < 0), (steps[0] - steps[1]).abs(), apart)


def _place(a: Tensor, wide: list[Tensor], at: int, row: int) -> Place:
    index = [int(i) for i in torch.unravel_index(torch.tensor(at), wide[0].shape)][: a.dim()]
    if index:
        index[0] += row
    return Place(tuple(index), *(float(tensor.flatten()[at]) for tensor in wide))
