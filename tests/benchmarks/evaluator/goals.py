"""The goals of the evaluator: ratios within one run. They are printed as met or not, never asserted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .results import CaseResult

# Against the peers with torch's own loss, which are those that the goals were set with, and against the fastest of all.
AGAINST = {
    "loop": "the MASE-style loop",
    "best_torch_loss": "the best quantized peer with torch's loss",
    "best": "the best quantized peer of all",
    "best_any_config": "the best quantized peer that takes any configuration",
    "pt2e": "PT2E with torch's loss",
    "pt2e_all": "PT2E with the loss compiled",
    "bound": "the time to read the float input",
    "bound_many": "the time to read the float input, many configurations a pass",
}


@dataclass(frozen=True)
class Goal:
    """At least ``factor`` times as fast as ``against``; ``amx``: only on a CPU with (True) or without (False) it."""

    model: str
    rows: int
    against: str
    factor: float
    amx: bool | None = None


@dataclass(frozen=True)
class Verdict:
    """A goal beside what was found; ``found`` and ``met`` are None where it was not measured."""

    goal: Goal
    found: float | None

    @property
    def met(self) -> bool | None:
        return None if self.found is None else self.found >= self.goal.factor


def _per_model(rows: int, against: str, factors: Sequence[float]) -> list[Goal]:
    names = ("tiny", "toy", "big", "seven")
    return [Goal(name, rows, against, factor) for name, factor in zip(names, factors, strict=True)]


GOALS = [
    *_per_model(166_000, "loop", (600, 350, 250, 90)),
    *_per_model(166_000, "best_torch_loss", (15, 10, 9, 7)),
    *_per_model(166_000, "best", (15, 10, 9, 7)),
    *_per_model(10_000, "loop", (250, 200, 150, 75)),
    *_per_model(10_000, "best_torch_loss", (8, 7, 6, 3)),
    *_per_model(10_000, "best", (8, 7, 6, 3)),
    Goal("wide", 10_000, "loop", 20, amx=True),
    Goal("wide", 10_000, "pt2e", 1.2, amx=True),
    Goal("wide", 10_000, "pt2e_all", 1.5, amx=True),
    Goal("wide", 10_000, "loop", 10, amx=False),
    Goal("wide", 10_000, "pt2e_all", 1.0, amx=False),
    Goal("seven", 166_000, "pt2e_all", 2.5),
    Goal("toy", 10_000, "loop", 350),
    Goal("resnet8", 256, "best", 2.0, amx=True),
    Goal("resnet8", 256, "best", 1.5, amx=False),
    Goal("resnet18", 64, "best", 1.2),
    Goal("mobilenet", 128, "best", 1.2),
    *(
        Goal(name, rows, "best_any_config", 3)
        for name in ("resnet8", "resnet18", "mobilenet")
        for rows in (1, 4, 8)
    ),
    Goal("tiny", 830_000, "bound", 0.85),
    Goal("tiny", 830_000, "bound_many", 1.0),
    Goal("conv1d", 10_000, "loop", 20),
    Goal("vgg", 1_000, "loop", 3),
]


def judge(cases: Iterable[CaseResult], amx: bool, goals: Sequence[Goal] = GOALS) -> list[Verdict]:
    """Return a verdict for each goal whose case ran and that holds for this CPU, in the order of the goals."""
    ratios = {(case.model, case.rows): case.ratios() for case in cases}
    return [
        Verdict(goal, ratios[goal.model, goal.rows][goal.against])
        for goal in goals
        if (goal.model, goal.rows) in ratios and goal.amx in (None, amx)
    ]
