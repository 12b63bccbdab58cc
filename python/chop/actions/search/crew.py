"""The workers of a search, and what they build its objective from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from chop.actions.search.workers import Workers
from chop.pool import Pool, Recipe, Source

HERE = "chop.actions.search.preparing"


@dataclasses.dataclass(frozen=True)
class Crew:
    """Who does the work.

    Attributes:
        pool: of other processes.
        options: as ``preparing.resident_objective`` takes them.
    """

    pool: Pool
    options: Mapping[str, Any]

    def workers(self, objective: Any, identity: str) -> Workers:
        """Return who measures trials of the study of that identity."""
        source = Source(f"{HERE}:resident_objective", dict(self.options))
        return Workers(self.pool, Recipe(objective, source, identity))

    def sweep_source(self) -> Source:
        """Return what a worker builds evaluator and space with."""
        return Source(f"{HERE}:resident_evaluator", dict(self.options))
