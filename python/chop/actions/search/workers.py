"""Trials that workers measure: sent in pieces, received in any order, handed on in theirs."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from chop.pool import LostItemsError, Pool, Recipe
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.outcome import Outcome

logger = get_logger(__name__)

LEAST_SECONDS = 0.04  # of a piece: a task costs some milliseconds
PIECES = 2  # for each worker, of a batch

Configs = list[dict[str, Any]]
Piece = tuple[int, Configs]  # place of its first config, and the configs


def measure_piece(objective: Any, piece: Piece) -> list[tuple[Outcome, bytes | None]]:
    """Measure configs in a worker; with each outcome the weights that it trained."""
    found = [outcome for part in objective.measure_all(piece[1]) for outcome in part]
    return [(outcome, objective.weights.take(outcome.weights)) for outcome in found]


class Workers:
    """Measures configs on a pool.

    Args:
        pool: of other processes.
        recipe: of the objective.

    Attributes:
        lost: configs whose worker ended each time that they were tried.
    """

    def __init__(self, pool: Pool, recipe: Recipe) -> None:
        self.pool, self._recipe = pool, recipe
        self.lost = 0
        self._each: float | None = None  # seconds of a trial, as measured here
        self._told = False

    def measure(self, objective: Any, configs: Configs) -> Generator[list[Outcome], None, None]:
        """Yield the outcomes in order, in pieces."""
        if not objective.own_models and self._are_short(len(configs)):
            start = time.perf_counter()
            with closing(objective.measure_all(configs)) as parts:
                yield from parts
            self._each = (time.perf_counter() - start) / max(1, len(configs))
            return
        size = 1 if objective.own_models else math.ceil(len(configs) / (PIECES * self.pool.at_once))
        found: dict[int, list[Outcome]] = {}
        next_place = 0
        pieces = [(at, configs[at : at + size]) for at in range(0, len(configs), size)]
        with closing(self._pieces(objective, pieces)) as measured:
            for at, outcomes in measured:
                found[at] = outcomes
                while next_place in found:
                    part = found.pop(next_place)
                    next_place += len(part)
                    yield part

    def _are_short(self, count: int) -> bool:
        """Whether a batch is too short to be sent; the first one is measured here, and tells."""
        if self._each is None:
            return True
        if self._each * count / self.pool.at_once >= LEAST_SECONDS:
            return False
        if not self._told:
            self._told = True
            logger.info(
                "trials of %.2g ms in batches of %d are measured in this process: sending them takes longer",
                1000 * self._each, count,
            )  # fmt: skip
        return True

    def _pieces(
        self, objective: Any, pieces: list[Piece]
    ) -> Generator[tuple[int, list[Outcome]], None, None]:
        try:
            with closing(self.pool.run(measure_piece, self._recipe, pieces)) as parts:
                for piece, pairs in parts:
                    yield piece[0], [_kept(objective, *pair) for pair in pairs]
        except LostItemsError as error:
            yield from self._one_by_one(objective, error.items)

    def _one_by_one(
        self, objective: Any, pieces: Sequence[Piece]
    ) -> Generator[tuple[int, list[Outcome]], None, None]:
        """Find the trials that end their workers, among those that were sent with them."""
        for at, configs in pieces:
            outcomes = []
            for config in configs:
                try:
                    ((_, ((outcome, payload),)),) = self.pool.run(
                        measure_piece, self._recipe, [(at, [config])]
                    )
                    outcomes.append(_kept(objective, outcome, payload))
                except LostItemsError:
                    self.lost += 1
                    outcomes.append(objective.failed(config, "its worker ended each time that it was tried"))
            yield at, outcomes


def _kept(objective: Any, outcome: Outcome, payload: bytes | None) -> Outcome:
    objective.weights.give(outcome.weights, payload)
    return outcome
