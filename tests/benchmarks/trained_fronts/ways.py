"""The ways to a front that are compared: each a list of runs that stand for themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import fronts, hgq2
from . import learned as learning
from .cases import Case

POST, QAT, LEARNED, AGAIN, PEER = "post-training", "train_front", "learned", "learned again", "HGQ2"
# Prices of a bit of HGQ2's own count, from few bits to many.
BETAS = {
    "16-64-32-32-5": (1.1e-4, 7e-5, 3.8e-5, 1.3e-5, 5.5e-6),
    "16-16-8-5": (2.5e-4, 1.2e-4, 5e-5, 1.5e-5),
    "real jets": (1e-4, 4e-5, 1.5e-5),
}
LEARNED_EPOCHS = {"16-64-32-32-5": 20, "16-16-8-5": 20, "real jets": 200}
LEARNED_MOST = {
    "16-64-32-32-5": 17_500
}  # the widest target that is aimed at; wider ones are passed on the way
# Targets that are learned a second time, and the epochs of the narrowest.
LEARNED_AGAIN = {"16-64-32-32-5": ((1_000, 1_500), 40)}
PEER_EPOCHS = {"16-64-32-32-5": 60, "16-16-8-5": 60, "real jets": 100}


@dataclass(frozen=True)
class Effort:
    """How much is spent: ``trained`` trials of ``train_front``, ``scale`` of all epochs, threads."""

    trained: int = 80
    scale: float = 1.0
    jobs: int = 1

    def epochs(self, full: int) -> int:
        return max(1, round(full * self.scale))


@dataclass(frozen=True)
class Run:
    """One run of a way: what tells it from others, and what makes it."""

    settings: dict[str, Any]
    make: Callable[[Case, int], dict[str, Any]]


def post_training(case: str, effort: Effort) -> list[Run]:
    del case
    return [Run({}, lambda case, seed: fronts.post_training(case, effort.jobs, seed))]


def train_front(case: str, effort: Effort) -> list[Run]:
    del case
    return [
        Run(
            {"trained": effort.trained},
            lambda case, seed: fronts.train_front(case, effort.jobs, seed, effort.trained),
        )
    ]


def learned(case: str, effort: Effort) -> list[Run]:
    return [_learned({"epochs": effort.epochs(LEARNED_EPOCHS[case])}, ())]


def learned_again(case: str, effort: Effort) -> list[Run]:
    if case not in LEARNED_AGAIN:
        return []
    again, narrow = LEARNED_AGAIN[case]
    epochs = {"epochs": LEARNED_EPOCHS[case], "epochs_narrow": narrow}
    return [_learned({name: effort.epochs(count) for name, count in epochs.items()}, again)]


def _learned(epochs: dict[str, int], again: tuple[int, ...]) -> Run:
    def make(case: Case, seed: int) -> dict[str, Any]:
        most = LEARNED_MOST.get(case.name, max(case.targets))
        targets = [target for target in case.targets if target <= most]
        return learning.run(case, [*targets, *again], {**epochs, **case.recipe}, seed)

    return Run({**epochs, "again": list(again)} if again else epochs, make)


def peer(case: str, effort: Effort) -> list[Run]:
    epochs = effort.epochs(PEER_EPOCHS[case])

    def run_of(beta: float) -> Run:
        def make(case: Case, seed: int) -> dict[str, Any]:
            shape = (case.sizes, len(case.rows["train"][1]), case.peer_batch, epochs)
            return hgq2.trainer(*shape).train(case.rows, beta, seed)

        return Run({"beta": beta, "epochs": epochs}, make)

    return [run_of(beta) for beta in BETAS[case]]


WAYS: dict[str, Callable[[str, Effort], list[Run]]] = {
    POST: post_training,
    QAT: train_front,
    LEARNED: learned,
    AGAIN: learned_again,
    PEER: peer,
}
