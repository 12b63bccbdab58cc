"""The evaluator as two variants: one configuration a call, and many configurations a pass over the data."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from chop import Evaluator

from .cases import Case
from .formats import Formats, FormatSource, config_of
from .peers import Outcome, Run
from .peers.eager import fake_quantized

COLD_EVALUATORS = 3


@dataclass
class Ours:
    """The evaluator on one case, and what it took to get there (milliseconds)."""

    case: Case
    source: FormatSource
    evaluator: Evaluator
    construction_ms: float
    first_call_ms: float

    def configure(self) -> Run:
        config = config_of(self.source.draw(), self.case.nodes)

        def run() -> Outcome:
            found = self.evaluator.evaluate(config)
            return Outcome(found.loss, found.accuracy_micro)

        return run

    def configure_many(self, count: int) -> Run:
        configs = [config_of(self.source.draw(), self.case.nodes) for _ in range(count)]

        def run() -> Outcome:
            found = self.evaluator.evaluate_many(configs)
            return Outcome(sum(one.loss for one in found) / count, found[-1].accuracy_micro)

        return run

    def compare(self) -> dict[str, float | bool]:
        """Compare logits, loss and right rows with torch's fake-quantized model for a configuration of its own."""
        formats = self.source.draw()
        config = config_of(formats, self.case.nodes)
        with torch.no_grad():
            expected = fake_quantized(self.case, formats)(self.case.x)
        logits, found = self.evaluator.forward(config), self.evaluator.evaluate(config)
        loss = float(F.cross_entropy(expected.double(), self.case.y))
        return {
            "exact_in_fp32": worst_bound(self.case, formats) < 2**24,
            "equal_logits": float((logits == expected).double().mean()),
            "same_right_rows": found.correct == int((expected.argmax(1) == self.case.y).sum()),
            "loss_difference": abs(found.loss - loss) / max(abs(loss), 1e-30),
        }


def open_ours(case: Case, seed: int) -> Ours:
    """Construct evaluators afresh, call each once, keep the last and show it each format of each operand.

    Raises:
        ValueError: the evaluator does not run this model.
    """
    source = FormatSource(len(case.nodes), seed)
    construction, first = [], []
    for _ in range(COLD_EVALUATORS):
        config = config_of(source.draw(), case.nodes)
        start = time.perf_counter()
        evaluator = Evaluator(case.model, case.x, case.y, threads=1)
        built = time.perf_counter()
        evaluator.evaluate(config)
        construction.append((built - start) * 1e3)
        first.append((time.perf_counter() - built) * 1e3)
    for formats in source.cover():
        evaluator.evaluate(config_of(formats, case.nodes))
    return Ours(case, source, evaluator, statistics.median(construction), statistics.median(first))


def worst_bound(case: Case, formats: Formats) -> float:
    """Return the largest sum that any input can give in any layer, in units of the finest grid.

    Below 2**24 every order of summation in float32 gives the same bits, so torch and the evaluator must agree.
    """
    worst = 0.0
    for layer, (data, weight, bias) in zip(case.layers, formats, strict=True):
        finest = max(data[1] + weight[1], bias[1])
        weights = grid_codes(layer.weight, weight).abs().flatten(1).sum(1)
        bound = weights * 2 ** (data[0] - 1) * 2 ** (finest - data[1] - weight[1])
        if layer.bias is not None:
            bound = bound + grid_codes(layer.bias, bias).abs() * 2 ** (finest - bias[1])
        worst = max(worst, float(bound.max()))
    return worst if math.isfinite(worst) else math.inf


def grid_codes(tensor: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    width, frac_width = grid
    scaled = tensor.detach().double().mul(2**frac_width).round()
    return scaled.clamp(-(2 ** (width - 1)), 2 ** (width - 1) - 1)
