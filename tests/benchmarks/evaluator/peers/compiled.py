"""torch.compile of the eager fake-quantized model. It is compiled once: a new configuration would compile again."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.evaluator.cases import Case

from .eager import fake_quantized
from .peer import Configure, Outcome, Peer, Run, fixed, score


class Scored(nn.Module):
    """A model with the loss and the count of right rows behind it, so that one graph holds all of the trial."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model(x)
        return F.cross_entropy(logits, y), (logits.argmax(1) == y).sum()


def compiled_run(model: nn.Module, case: Case, with_loss: bool) -> Run:
    """Compile ``model``, its loss and accuracy too if ``with_loss``, for the shapes of the case."""
    if not with_loss:
        forward = torch.compile(model, dynamic=False)
        return lambda: score(forward(case.x), case.y)
    scored = torch.compile(Scored(model), dynamic=False)

    def run() -> Outcome:
        loss, right = scored(case.x, case.y)
        return Outcome(float(loss), int(right) / max(case.rows, 1))

    return run


def build(case: Case, with_loss: bool) -> Configure:
    formats = (((8, 5), (8, 6), (8, 5)),) * len(case.nodes)
    return fixed(compiled_run(fake_quantized(case, formats), case, with_loss))  # freezing made it slower


NEEDS = ("torchmetrics", "c++")
PEERS = (
    Peer(
        "compile",
        "torch.compile of it, torch's loss",
        partial(build, with_loss=False),
        NEEDS,
        rebuilds=True,
    ),
    Peer(
        "compile_all",
        "torch.compile of it, loss and accuracy compiled too",
        partial(build, with_loss=True),
        NEEDS,
        rebuilds=True,
        loss_by_torch=False,
    ),
)
