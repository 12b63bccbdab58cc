"""What a peer is: a name, what it needs, and how it becomes a call that returns loss and accuracy."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.benchmarks.evaluator.cases import Case
from tests.benchmarks.evaluator.formats import Formats


class Outcome(NamedTuple):
    loss: float
    accuracy: float


Source = Callable[[], Formats]  # a combination of formats that no variant had
Run = Callable[[], Outcome]  # what is timed
Configure = Callable[[Source], Run]  # before each run, not timed


@dataclass(frozen=True)
class Peer:
    """A way to evaluate.

    Attributes:
        build: makes the peer for a case (slow: exports, compiles, calibrates); the result takes a configuration.
        needs: packages; ``c++`` stands for a compiler.
        quantized: False for the float models, which are there for context.
        loss_by_torch: loss and accuracy are torch's own calls on the logits; False where they are compiled too.
        rebuilds: a new configuration needs a new ``build``.
    """

    name: str
    label: str
    build: Callable[[Case], Configure]
    needs: tuple[str, ...] = ()
    quantized: bool = True
    loss_by_torch: bool = True
    rebuilds: bool = False

    def missing(self) -> str | None:
        """Return why the peer cannot run here, or None."""
        for name in self.needs:
            if name == "c++":
                if not shutil.which(os.environ.get("CXX", "g++")):
                    return "no C++ compiler"
            elif importlib.util.find_spec(name) is None:
                return f"{name} is not installed"
        return None


def score(logits: Tensor, y: Tensor) -> Outcome:
    """Return mean cross-entropy and share of right rows with torch's own calls."""
    loss, right = F.cross_entropy(logits, y), (logits.argmax(1) == y).sum()
    return Outcome(float(loss), int(right) / max(len(y), 1))


def fixed(run: Run) -> Configure:
    """Wrap a peer whose one configuration is built in."""

    def timed() -> Outcome:
        with torch.no_grad():
            return run()

    return lambda source: timed
