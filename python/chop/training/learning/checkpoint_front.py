"""Checkpoints that no other dominates: cheaper and more accurate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Checkpoint:
    """A state on the way.

    Attributes:
        cost: of its formats.
        accuracy: on the validation rows, mean of the classes' recalls.
        stage, epoch: when.
        rows: of the trainer's snapshot.
    """

    cost: float
    accuracy: float
    stage: int
    epoch: int
    rows: Mapping[str, Tensor]


class CheckpointFront:
    """The checkpoints so far that no other dominates, cheapest first; of equal ones the earliest.

    >>> front = CheckpointFront()
    >>> [front.add(Checkpoint(cost, accuracy, 0, 0, {})) for cost, accuracy in ((9, 0.7), (5, 0.6), (7, 0.6), (5, 0.8))]
    [True, True, False, True]
    >>> [(each.cost, each.accuracy) for each in front]
    [(5, 0.8)]
    """

    def __init__(self) -> None:
        self._held: list[Checkpoint] = []

    def joins(self, cost: float, accuracy: float) -> bool:
        """Whether no checkpoint is as cheap and as accurate."""
        return not any(c.cost <= cost and c.accuracy >= accuracy for c in self._held)

    def add(self, checkpoint: Checkpoint) -> bool:
        """Take a checkpoint if it joins; those that it dominates go."""
        if not self.joins(checkpoint.cost, checkpoint.accuracy):
            return False
        kept = [c for c in self._held if c.cost < checkpoint.cost or c.accuracy > checkpoint.accuracy]
        self._held = sorted([*kept, checkpoint], key=lambda c: c.cost)
        return True

    def at(self, most: float) -> Checkpoint | None:
        """The most accurate of at most that cost."""
        return next((c for c in reversed(self._held) if c.cost <= most), None)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)
