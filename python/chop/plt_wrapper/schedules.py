"""How the learning rate falls while a model is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

SCHEDULES = ("cosine", "linear", "constant")
LAST_RATE = 1e-6  # where MASE's cosine schedule ends


def check_schedule(name: Any) -> str:
    """Return ``name``.

    Raises:
        ConfigError: not a schedule.
    """
    if name not in SCHEDULES:
        hint = did_you_mean(str(name), SCHEDULES)
        raise ConfigError(f"lr_scheduler must be one of {', '.join(SCHEDULES)}, got {name!r}{hint}")
    return str(name)


@dataclass(frozen=True)
class Schedule:
    """A schedule by name.

    Attributes:
        name: "cosine" (to 1e-6, MASE's), "linear" (to 0) or "constant".
        interval: "epoch" or "step": how often the rate changes.
        warmup: intervals in which the rate rises to its start.
    """

    name: str = "cosine"
    interval: str = "epoch"
    warmup: int = 0

    def make(self, optimizer: Optimizer, length: int) -> LRScheduler:
        """Return torch's scheduler over ``length`` intervals.

        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> scheduler = Schedule("linear", "step", warmup=1).make(optimizer, 3)
        >>> rates = [scheduler.get_last_lr()[0]]
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        ...     rates.append(scheduler.get_last_lr()[0])
        >>> rates
        [0.05, 0.1, 0.05]
        """
        if self.name == "cosine" and not self.warmup:
            return CosineAnnealingLR(optimizer, T_max=length, eta_min=LAST_RATE)
        rate = optimizer.param_groups[0]["lr"]
        return LambdaLR(optimizer, lambda at: self._factor(at, length, rate))

    def _factor(self, at: int, length: int, rate: float) -> float:
        if at < self.warmup:
            return (at + 1) / (self.warmup + 1)
        done = min(1.0, (at - self.warmup) / max(1, length - self.warmup))
        if self.name == "constant":
            return 1.0
        if self.name == "linear":
            return 1.0 - done
        last = LAST_RATE / rate
        return last + (1.0 - last) * 0.5 * (1.0 + math.cos(math.pi * done))
