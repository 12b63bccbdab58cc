"""torch's plain operations over the whole set: four for each fake-quantizer, torch's own loss and argmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.benchmarks.evaluator.cases import Case
from tests.benchmarks.evaluator.formats import Formats

from .peer import Configure, Outcome, Peer, Run, Source, score


class FakeQuantizer(nn.Module):
    def __init__(self, width: int, frac_width: int) -> None:
        super().__init__()
        self.limit, self.scale = 2 ** (width - 1), 2.0**frac_width

    def forward(self, x: Tensor) -> Tensor:
        return x.mul(self.scale).round().clamp(-self.limit, self.limit - 1).div(self.scale)


def fake_quantized(case: Case, formats: Formats) -> nn.Module:
    """Return the case's model on the grids of ``formats``: what the evaluator's logits must equal."""
    from tests.benchmarks import mase_loop  # needs torchmetrics

    return mase_loop.quantized(case.model, formats, lambda chosen: FakeQuantizer(*chosen))


def build(case: Case) -> Configure:
    def configure(source: Source) -> Run:
        model = fake_quantized(case, source())

        def run() -> Outcome:
            with torch.no_grad():
                return score(model(case.x), case.y)

        return run

    return configure


PEERS = (Peer("eager", "eager fake-quant, whole set", build, ("torchmetrics",)),)
