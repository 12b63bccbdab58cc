"""What worker processes of the tests import."""

from __future__ import annotations

import torch

from chop import _core
from tests.native import plausible as p


def losses(number: int) -> list[list[float]]:
    x = torch.linspace(-2, 2, 8000 * 4).view(8000, 4)
    evaluator = _core.Evaluator(p.GRAPH, x, p.labels(8000), 2, True)
    return [
        [round(v, 6) for v in values] for values in evaluator.evaluate([_core.Formats([])], [("loss", {})])
    ]  # type: ignore[arg-type]
