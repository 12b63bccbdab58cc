"""The price of a bit operation through one stage of learning."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chop.tools.errors import ConfigError
from chop.training.learning.counts import Target

_FIRST = 0.1  # nats: what all bit operations together cost at first
_LIMITS = 1e-4, 1e5  # around the first price
_GAIN, _MOST = 4.0, 0.3  # of the logarithm of the price, per unit of that of the cost, and in one step


@dataclass(frozen=True)
class Stage:
    """Some epochs with one aim: a target that the price follows, or prices that are given.

    Attributes:
        target: None: the prices are given.
        low, high: the price at the beginning and at the end; between them it rises geometrically.
    """

    target: Target | None = None
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        for price in () if self.target else (self.low, self.high):
            number = isinstance(price, (int, float)) and not isinstance(price, bool)
            if not number or not 0 < price < math.inf:
                raise ConfigError(f"learn_widths: a price must be a number above 0, got {price!r}")

    @property
    def freezes(self) -> bool:
        """Whether widths stay at the end: while a price rises there is no cost to stay at."""
        return self.target is not None or self.low == self.high


class Price:
    """Of one bit of a weight times one bit of its input, in the loss.

    Where there is a target it goes up while the cost is above its way down, and down while it is below. The way is a
    straight line of the cost's logarithm.

    Args:
        stage: its aim.
        begin: the cost at its beginning.
        reach, aim: see :class:`WidthRecipe`.
    """

    def __init__(self, stage: Stage, begin: float, reach: float, aim: float) -> None:
        self.stage, self.begin = stage, begin
        self._reach, self._aim = reach, aim
        self._first = _FIRST / max(begin, 1.0)
        self.value = self._first if stage.target else stage.low

    def wanted(self, t: float) -> float:
        """Return the cost that the share ``t`` of the stage's steps should have come to; needs a target."""
        assert self.stage.target is not None
        end = self.stage.target.most * self._aim
        left = max(0.0, 1.0 - t / self._reach) if self._reach else 0.0
        return end * max(self.begin / end, 1.0) ** left

    def step(self, t: float, cost: float) -> float:
        """Return the price of the next steps.

        Args:
            t: share of the stage's steps that are done.
            cost: at present.
        """
        if self.stage.target is None:
            self.value = self.stage.low * (self.stage.high / self.stage.low) ** t
            return self.value
        off = math.log(max(cost, 1e-9) / self.wanted(t))
        change = max(-_MOST, min(_MOST, _GAIN * _MOST * off))
        low, high = (limit * self._first for limit in _LIMITS)
        self.value = min(max(self.value * math.exp(change), low), high)
        return self.value
