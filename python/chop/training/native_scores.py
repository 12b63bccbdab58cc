"""What a call of the native trainer tells."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Epoch", "NonFiniteLossError", "Scores"]


class NonFiniteLossError(ArithmeticError):
    """The loss of a batch is NaN or infinite; the weights are those before that batch.

    Attributes:
        step: number of the batch within the call, from 0.
    """

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"training: the loss of step {step} is {loss}; the weights before it are kept")
        self.step = step


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model reaches on labelled rows.

    Attributes:
        loss: cross-entropy, mean over the rows.
        confusion: rows of class ``i`` that were predicted to be of class ``j``, int64, shape [classes, classes].
        rows: how many rows.
    """

    loss: float
    confusion: Tensor
    rows: int

    @property
    def correct(self) -> Tensor:
        """Rows predicted rightly, and rows, of each class: int64, shape [classes, 2]."""
        return torch.stack([self.confusion.diagonal(), self.confusion.sum(1)], 1)

    @property
    def accuracy(self) -> float:
        """Share of the rows predicted rightly."""
        return float(self.confusion.diagonal().sum()) / max(self.rows, 1)


@dataclass(frozen=True, slots=True)
class Epoch(Scores):
    """One pass of training, or the part of it that was asked for; scores are those of the forward passes on the way.

    Attributes:
        losses: cross-entropy of each batch (mean over its rows), float64, shape [steps].
        steps: batches trained.
        next_row: place in the order where the next batch begins; the number of rows when the epoch is over.
        stopped: whether :meth:`NativeTrainer.stop` ended it.
    """

    losses: Tensor
    steps: int
    next_row: int
    stopped: bool
