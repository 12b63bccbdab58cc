"""The loop that stands in for MASE's evaluation of a trial, and torch's float model through no loop at all."""

from __future__ import annotations

from tests.benchmarks.evaluator.cases import Case

from .peer import Configure, Outcome, Peer, Run, Source, fixed, score


def build_loop(case: Case) -> Configure:
    from tests.benchmarks import mase_loop  # needs torchmetrics

    def configure(source: Source) -> Run:
        model = mase_loop.quantized(case.model, source())

        def run() -> Outcome:
            accuracy, loss = mase_loop.evaluate(model, case.x, case.y, case.classes)
            return Outcome(loss, accuracy)

        return run

    return configure


def build_float(case: Case) -> Configure:
    return fixed(lambda: score(case.model(case.x), case.y))


PEERS = (
    Peer("mase_loop", "MASE-style loop (DataLoader 512, torchmetrics)", build_loop, ("torchmetrics",)),
    Peer("torch_fp32", "torch fp32, no quantization", build_float, quantized=False),
)
