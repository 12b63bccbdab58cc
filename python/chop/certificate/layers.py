"""The rows of a certificate."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Saturated:
    """How many numbers lay outside their format's range, after rounding to its grid.

    Attributes:
        beyond: so many; NaN is never one of them.
        total: of so many.

    >>> Saturated(beyond=1, total=8).percent
    12.5
    """

    beyond: int
    total: int

    @property
    def percent(self) -> float:
        """The share, 0..100; 0 of nothing is 0."""
        return 100.0 * self.beyond / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An output whose float32 sum, products added in the order of the inputs, is not the exact sum rounded once.

    Attributes:
        row: of the data, counted from 0.
        output: position in the layer's flattened output.
        exact: the exact sum, in the model's numbers.
        in_float: what float32 makes of it in that order; other orders may give yet other numbers.
    """

    row: int
    output: int
    exact: float
    in_float: float


@dataclass(frozen=True, slots=True)
class LayerCertificate:
    """What is certain of one layer, or of one quantized operation without sums, under a config.

    Attributes:
        node: name of the node in the graph.
        op: its operation, e.g. ``linear``.
        road: what the evaluator sums in: ``fp32``, ``int8``, ``int16``, ``int32``, ``fp64``; ``float`` for a layer
            whose operands are not all quantized, ``values`` for an operation without sums, ``torch`` where torch
            computes the node.
        unit: the grid of the sums, a power of two; None where there is none.
        bound: largest absolute sum that any input can give, in ``unit``; None where there is none.
        used: largest absolute sum that the data gave, in ``unit``; None where sums could not be made.
        reach: largest sum of magnitudes that the data gave: no partial sum, in any order, was larger.
        inputs, weights, biases: what saturated; None where that operand has no format.
        outputs: of this layer's outputs, after what follows element by element, how many the formats of the next
            quantized nodes saturate, counted once a reader; None where no quantized reader follows that way.
        exact: whether float32 equals integer arithmetic for any input, because the bound is below 2^24.
        exact_on_data: whether it does for this data, because the reach is.
        reason: why it is not exact, in a sentence; empty where it is.
        counterexample: the first row, and its first output, where float32 in the order of the inputs differs.
    """

    node: str
    op: str
    road: str
    unit: float | None = None
    bound: float | None = None
    used: float | None = None
    reach: float | None = None
    inputs: Saturated | None = None
    weights: Saturated | None = None
    biases: Saturated | None = None
    outputs: Saturated | None = None
    exact: bool = False
    exact_on_data: bool = False
    reason: str = ""
    counterexample: Counterexample | None = None

    @property
    def accumulator_bits(self) -> int | None:
        """Width of a two's complement accumulator that no input overflows: it holds +-``bound``."""
        return signed_bits(self.bound)

    @property
    def used_bits(self) -> int | None:
        """Width that the data really needed: it holds +-``used``.

        Partial sums may be larger (``reach`` bounds them), but an accumulator that wraps comes back from there.
        """
        return signed_bits(self.used)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and texts, None for what is not known, ready for JSON."""
        found = _plain(dataclasses.asdict(self))
        for name in ("inputs", "weights", "biases", "outputs"):
            if found[name] is not None:
                found[name]["percent"] = getattr(self, name).percent
        return {**found, "accumulator_bits": self.accumulator_bits, "used_bits": self.used_bits}


def signed_bits(largest: float | None) -> int | None:
    """Width of the two's complement integers that hold every number up to +-``largest``."""
    if largest is None or not math.isfinite(largest):
        return None
    return int(largest).bit_length() + 1


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
