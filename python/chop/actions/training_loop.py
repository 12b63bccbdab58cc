"""One epoch of training, and one pass of evaluation."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread for a while: matrix products round differently with the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # at these sizes one is the fastest too
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class ClassCounts:
    """Right, true and predicted rows of each class, summed over batches.

    >>> counts = ClassCounts(2)
    >>> counts.add(torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 1, 1]))
    >>> counts.micro, counts.macro
    (0.6666666666666666, 0.75)
    """

    def __init__(self, classes: int) -> None:
        self._right = torch.zeros(classes, dtype=torch.int64)
        self._all = torch.zeros(classes, dtype=torch.int64)
        self._predicted = torch.zeros(classes, dtype=torch.int64)

    def add(self, logits: Tensor, y: Tensor) -> None:
        """Count one batch: logits ``[rows, classes]``, labels ``[rows]``."""
        y, guess = y.cpu(), logits.detach().argmax(dim=1).cpu()
        for counts, labels in ((self._right, y[guess == y]), (self._all, y), (self._predicted, guess)):
            counts += torch.bincount(labels, minlength=len(counts))

    @property
    def micro(self) -> float:
        """Share of all rows that were right."""
        return int(self._right.sum()) / max(int(self._all.sum()), 1)

    @property
    def macro(self) -> float:
        """Mean share of right rows over the classes that occur as label or guess (torchmetrics' rule)."""
        present = (self._all > 0) | (self._predicted > 0)
        shares = self._right[present].double() / self._all[present].clamp(min=1)
        return shares.mean().item() if present.any() else 0.0


@dataclass(frozen=True)
class Score:
    """Mean loss a row, macro accuracy, micro accuracy, and the rows they were taken over."""

    loss: float
    accuracy: float
    accuracy_micro: float
    rows: int


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], classes: int, device: torch.device
) -> Score:
    """Cross-entropy and accuracies of ``model`` in evaluation mode."""
    model.eval()
    counts = ClassCounts(classes)
    loss, rows = 0.0, 0
    for x, y in batches:
        logits = model(x.to(device))
        loss += nn.functional.cross_entropy(logits, y.to(device), reduction="sum").item()
        rows += len(y)
        counts.add(logits, y)
    return Score(loss / max(rows, 1), counts.macro, counts.micro, rows)


class Stepper:
    """Runs optimizer steps of cross-entropy, each on ``accumulate`` batches.

    Args:
        model, optimizer: what is trained.
        classes: number of labels, for the running accuracy.
        accumulate: batches whose mean gradient makes one step.
        max_steps: stop after so many steps in all; None for no limit.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        classes: int,
        accumulate: int = 1,
        max_steps: int | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.classes = classes
        self.accumulate = accumulate
        self.max_steps = max_steps
        self.steps = 0

    @property
    def done(self) -> bool:
        """Whether the limit of steps is reached."""
        return self.max_steps is not None and self.steps >= self.max_steps

    def epoch(self, batches: Iterable[tuple[Tensor, Tensor]], device: torch.device, log: Any) -> Score:
        """Train on every batch; ``log(loss, accuracy, steps)`` is called after each.

        Raises:
            RuntimeError: the loss is not finite any more.
        """
        self.model.train()
        counts = ClassCounts(self.classes)
        total, rows, waiting = 0.0, 0, 0
        for x, y in batches:
            x, y = x.to(device), y.to(device)
            logits = self.model(x)
            loss = nn.functional.cross_entropy(logits, y)
            (loss / self.accumulate).backward()
            value = loss.item()
            if not math.isfinite(value):
                raise RuntimeError(
                    f"training stopped: the loss is {value} after {self.steps} steps; "
                    "a lower learning rate may help"
                )
            total, rows, waiting = total + value * len(y), rows + len(y), waiting + 1
            counts.add(logits, y)
            if waiting == self.accumulate:
                self._step()
                waiting = 0
            log(value, counts.micro, self.steps)
            if self.done:
                break
        if waiting and not self.done:
            self._step()
        return Score(total / max(rows, 1), counts.macro, counts.micro, rows)

    def _step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
