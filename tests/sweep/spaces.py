"""A model whose labels its float form knows, and spaces for it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn

from chop import Evaluator

LAYERS = ("seq_3", "seq_5", "seq_7")
FORMATS = [(4, 2), (6, 3), (8, 4), (3, 1), (5, 3), (2, 1)]  # (width, fraction width) of weights


class Jets(nn.Module):
    """16-16-8-5 behind a BatchNorm."""

    def __init__(self, sizes: tuple[int, ...] = (16, 16, 8, 5)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm1d(sizes[0])]
        for a, b in pairwise(sizes):
            layers += [nn.ReLU(), nn.Linear(a, b)]
        self.seq = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.seq(x)


def evaluator(
    rows: int = 9000, sizes: tuple[int, ...] = (16, 16, 8, 5), seed: int = 0, threads: int = 1
) -> Evaluator:
    """Labels are the float model's predictions, a tenth of them wrong."""
    generator = torch.Generator().manual_seed(seed)
    model = Jets(sizes).eval()
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
        model.seq[0].weight.fill_(1.0)
        x = torch.randn(rows, sizes[0], generator=generator)
        logits = model(x)
        y = (logits - logits.mean(0)).argmax(1)
        model.seq[-1].bias -= logits.mean(0)
    wrong = torch.rand(rows, generator=generator) < 0.1
    y[wrong] = torch.randint(0, sizes[-1], (int(wrong.sum()),), generator=generator)
    return Evaluator(model, x, y, threads=threads)


def choices(**more: list[Any]) -> dict[str, list[Any]]:
    """Of one layer; the choices of a search space."""
    return {
        "name": ["integer"],
        "data_in_width": [8],
        "data_in_frac_width": [4],
        "weight_width": [8],
        "weight_frac_width": [4],
        "bias_width": [8],
        "bias_frac_width": [4],
        **more,
    }


def table(by: str = "type", **rules: dict[str, list[Any]]) -> dict[str, Any]:
    """A [search.search_space] table; without rules of its own: six formats a linear layer."""
    rules = rules or {"linear": choices(weight_width=[2, 4, 8], weight_frac_width=[1, 3])}
    seed = {"default": {"config": {"name": ["NA"]}}, **{k: {"config": v} for k, v in rules.items()}}
    return {"name": "graph/quantize/mixed_precision_ptq", "setup": {"by": by}, "seed": seed}
