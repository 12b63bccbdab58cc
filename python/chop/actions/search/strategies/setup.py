"""What every strategy that leaves an Optuna study has in its set-up."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from chop.actions.search.validation import StrictTable

MOST_JOBS = 4096  # more than any machine that chop runs on has processors


class StudySetup(StrictTable):
    """Keys that the strategies share.

    Attributes:
        n_jobs: threads of the core, and trials that train at once (-1: one a processor; in a process that ``--workers``
            started, one). Results do not depend on it.
        sum_scaled_metrics: one objective, the sum of the scaled metrics, in ``direction``; else one a metric.
    """

    n_jobs: int = -1
    sum_scaled_metrics: bool = False
    direction: Literal["minimize", "maximize"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> StudySetup:
        if self.n_jobs != -1 and not 1 <= self.n_jobs <= MOST_JOBS:
            raise ValueError(f"n_jobs must be -1 or in 1..{MOST_JOBS}, got {self.n_jobs}")
        if self.sum_scaled_metrics and self.direction is None:
            raise ValueError("direction is missing: sum_scaled_metrics needs minimize or maximize")
        return self
