"""What a classifier reaches on labelled rows: mean loss and a confusion matrix, summed over batches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chop.tools.tensors import tensors_in


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread for a while: matrix products round differently with the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # at these sizes one is the fastest too
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def micro_accuracy(confusion: Tensor) -> float:
    """Share of all rows that were right; ``confusion[i, j]`` counts rows of class i that were taken for class j.

    >>> micro_accuracy(torch.tensor([[1, 1], [0, 2]]))
    0.75
    """
    return int(confusion.diagonal().sum()) / max(int(confusion.sum()), 1)


def macro_accuracy(confusion: Tensor) -> float:
    """Mean share of right rows over the classes that occur as label or guess (torchmetrics' rule).

    >>> macro_accuracy(torch.tensor([[1, 1], [0, 1]]))
    0.75
    """
    rows, guesses = confusion.sum(1), confusion.sum(0)
    present = (rows > 0) | (guesses > 0)
    shares = confusion.diagonal()[present].double() / rows[present].clamp(min=1)
    return shares.mean().item() if present.any() else 0.0


def confusion_of(logits: Tensor, y: Tensor, classes: int) -> Tensor:
    """Confusion matrix of one batch: logits ``[rows, outputs]``, labels ``[rows]``; int64 ``[n, n]``, n the larger of
    ``classes`` and the outputs.
    """
    size = max(classes, logits.shape[1])
    places = y.to(logits.device) * size + logits.detach().argmax(dim=1)
    counts = torch.zeros(size * size, dtype=torch.int64, device=logits.device)
    return counts.index_add_(0, places, torch.ones_like(places)).reshape(size, size)


@dataclass(frozen=True)
class Score:
    """Mean loss a row, macro and micro accuracy, rows, and the confusion matrix (int64 ``[classes, classes]``)."""

    loss: float
    accuracy: float
    accuracy_micro: float
    rows: int
    confusion: Tensor

    @classmethod
    def of(cls, loss: float, confusion: Tensor) -> Score:
        """Make the score of a mean loss and a confusion matrix."""
        rows = int(confusion.sum())
        return cls(loss, macro_accuracy(confusion), micro_accuracy(confusion), rows, confusion)


class Tally:
    """Sums losses and confusion matrices of batches, on the device where they are.

    >>> tally = Tally(2)
    >>> tally.add(torch.tensor(0.5), torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1]))
    >>> tally.score().accuracy_micro, tally.score().loss
    (0.5, 0.5)
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._losses: list[Tensor] = []
        self._rows: list[int] = []
        self._counts: Tensor | None = None

    def add(self, mean_loss: Tensor, logits: Tensor, y: Tensor) -> None:
        """Add one batch: its mean loss, logits ``[rows, outputs]`` and labels ``[rows]``."""
        counted = confusion_of(logits, y, self._classes)
        self._counts = counted if self._counts is None else self._counts + counted
        self._losses.append(mean_loss.detach())
        self._rows.append(len(y))

    def score(self) -> Score:
        """The score of everything added so far."""
        if self._counts is None:
            return Score.of(0.0, torch.zeros(self._classes, self._classes, dtype=torch.int64))
        losses = torch.stack(self._losses).cpu()
        return Score.of(mean_loss(losses, self._rows), self._counts.cpu())


def mean_loss(losses: Tensor, rows: Sequence[int]) -> float:
    """Mean over all rows of mean losses ``[batches]``, of so many rows each."""
    counts = torch.tensor(rows, dtype=torch.float64)
    return float((losses.double() * counts).sum() / counts.sum().clamp(min=1))


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], classes: int, device: torch.device
) -> Score:
    """Cross-entropy and accuracies of ``model`` in evaluation mode, in which it stays."""
    model.eval()
    tally = Tally(classes)
    for batch in batches:
        x, y = tensors_in(batch, "a batch")
        logits = model(x.to(device))
        tally.add(nn.functional.cross_entropy(logits, y.to(device)), logits, y)
    return tally.score()
