"""What was measured, and the arithmetic of ratios on it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

ONE, MANY, READ, LOOP = "chop", "chop_many", "read", "mase_loop"


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one variant: median, quartiles, extremes and how many runs."""

    median: float
    low: float
    high: float
    fastest: float
    slowest: float
    runs: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Summarise at least one run.

        >>> Timing.of([0.001, 0.002, 0.003])
        Timing(median=2.0, low=1.5, high=2.5, fastest=1.0, slowest=3.0, runs=3)
        """
        ms = [value * 1e3 for value in seconds]
        low, _, high = statistics.quantiles(ms, method="inclusive") if len(ms) > 1 else ms * 3
        return cls(statistics.median(ms), low, high, min(ms), max(ms), len(ms))


@dataclass(frozen=True)
class Variant:
    """One way of evaluating a case; ``timing`` is None where it was not measured, for ``reason``."""

    name: str
    label: str
    quantized: bool = True
    loss_by_torch: bool = True
    rebuilds: bool = False
    timing: Timing | None = None
    first_answer_s: float | None = None  # from a configuration to its first result, building included
    reason: str | None = None


@dataclass
class CaseResult:
    """All variants of one case by name; ``configs`` of ours go into one pass of the variant ``chop_many``."""

    model: str
    what: str
    rows: int
    configs: int
    variants: dict[str, Variant]
    ours: dict[str, Any] = field(default_factory=dict)
    load: tuple[float, float] = (0.0, 0.0)  # average of one minute, before and after
    cpu_share: float = (
        1.0  # processor time over wall time in the rounds: below 1, other programs had the core
    )

    @property
    def title(self) -> str:
        return f"{self.model}, {self.rows:,} rows"

    def ms(self, name: str) -> float | None:
        """Return the median of a variant; for ``chop_many`` that of one configuration of the pass."""
        found = self.variants.get(name)
        if found is None or found.timing is None:
            return None
        return found.timing.median / (self.configs if name == MANY else 1)

    def best_peer(self, loss_by_torch: bool = False, any_config: bool = False) -> str | None:
        """Return the fastest quantized peer but the loop.

        Args:
            loss_by_torch: only those whose loss and accuracy are torch's own calls.
            any_config: only those that take another configuration without being built again.
        """
        peers = [
            one.name
            for one in self.variants.values()
            if one.quantized and one.timing is not None and one.name not in (ONE, MANY, READ, LOOP)
        ]
        if loss_by_torch:
            peers = [name for name in peers if self.variants[name].loss_by_torch]
        if any_config:
            peers = [name for name in peers if not self.variants[name].rebuilds]
        return min(peers, key=lambda name: self.variants[name].timing.median, default=None)

    def ratio(self, over: str | None, under: str = ONE) -> float | None:
        """Return how many times as long ``over`` takes as ``under``; None if either was not measured."""
        slow, fast = self.ms(over) if over else None, self.ms(under)
        return None if slow is None or fast is None else slow / fast

    def ratios(self) -> dict[str, float | None]:
        """Return the ratios that the goals and the tables speak of."""
        return {
            "loop": self.ratio(LOOP),
            "best": self.ratio(self.best_peer()),
            "best_torch_loss": self.ratio(self.best_peer(loss_by_torch=True)),
            "best_any_config": self.ratio(self.best_peer(any_config=True)),
            "pt2e": self.ratio("pt2e"),
            "pt2e_all": self.ratio("pt2e_all"),
            "bound": self.ratio(READ),
            "bound_many": self.ratio(READ, MANY),
            "loop_many": self.ratio(LOOP, MANY),
            "best_many": self.ratio(self.best_peer(), MANY),
        }
