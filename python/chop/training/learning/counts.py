"""What a target counts: bit operations of the learned layers, exactly, from widths and weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

__all__ = ["COUNTS", "Target"]


def lowest_bit(codes: Tensor) -> Tensor:
    """Place of the last set bit of whole numbers in a floating-point dtype, int32; 0 for 0.

    >>> lowest_bit(torch.tensor([0.0, 1.0, -4.0, 6.0])).tolist()
    [0, 0, 2, 1]
    """
    whole = codes.long()
    return torch.frexp((whole & -whole).to(codes.dtype))[1] - (whole != 0).int()


def _of_paper(weight_bits: Tensor, input_bits: Tensor) -> float:
    return float((weight_bits * input_bits).sum())


def _with_sign(weight_bits: Tensor, input_bits: Tensor) -> float:
    return float((weight_bits * (input_bits + (input_bits > 0))).sum())


# Cost model -> its figure for one layer, of the weights' spans [outputs, inputs] and the inputs' bits without the sign.
COUNTS: dict[str, Callable[[Tensor, Tensor], float]] = {"ebops_hgq": _of_paper, "ebops": _with_sign}


class Target:
    """An upper bound of a cost: ``{"ebops_hgq": 1500}`` or ``{"ebops_hgq": {"max": 1500}}``.

    Attributes:
        count: name of the cost model.
        most: the bound.

    Raises:
        ConfigError: another form, a cost that cannot be a target, a bound that is no number above 0.

    >>> Target.of({"ebops_hgq": {"max": 1500}})
    Target('ebops_hgq', 1500.0)
    """

    def __init__(self, count: str, most: float) -> None:
        if count not in COUNTS:
            hint = did_you_mean(count, list(COUNTS)) or f"; known: {', '.join(COUNTS)}"
            raise ConfigError(f"learn_widths: no target can be set for {count!r}{hint}")
        number = isinstance(most, (int, float)) and not isinstance(most, bool)
        if not number or not 0 < most < math.inf:
            raise ConfigError(f"learn_widths: the target {count} must be a number above 0, got {most!r}")
        self.count, self.most = count, float(most)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Target:
        """Read a target as users write it."""
        if not isinstance(given, Mapping) or len(given) != 1:
            raise ConfigError(
                f"learn_widths: a target is one cost with its bound, as in {{'ebops_hgq': 1500}}, got {given!r}"
            )
        ((count, bound),) = given.items()
        if isinstance(bound, Mapping):
            if list(bound) != ["max"]:
                raise ConfigError(
                    f"learn_widths: the target {count} takes the key 'max', got {', '.join(map(repr, bound))}"
                )
            bound = bound["max"]
        return cls(str(count), bound)

    def __repr__(self) -> str:
        return f"Target({self.count!r}, {self.most})"
