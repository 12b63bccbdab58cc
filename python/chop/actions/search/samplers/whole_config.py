"""Samplers that propose a whole configuration in one call, from the trial's number alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler


class OneDrawSampler(BaseSampler):
    """Proposes all parameters at once; one relative draw is cheaper than one draw a parameter.

    Args:
        lengths: parameter -> number of choices.
    """

    def __init__(self, lengths: Mapping[str, int]) -> None:
        self._space: dict[str, BaseDistribution] = {n: IntDistribution(0, k - 1) for n, k in lengths.items()}

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return self._space

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise ValueError(f"parameter {param_name!r} is not part of this search space")


class WholeConfigSampler(OneDrawSampler):
    """Asks :meth:`propose` once a trial.

    Args:
        lengths: parameter -> number of choices.
        seed: of the sequence.
    """

    def __init__(self, lengths: Mapping[str, int], seed: int) -> None:
        super().__init__(lengths)
        self.seed = seed
        self.lengths = np.array(list(lengths.values()), dtype=np.int64)

    def propose(self, number: int) -> np.ndarray:
        """Return the indexes of trial ``number``: int64 [parameters], each below its length."""
        raise NotImplementedError

    def ask(self, number: int, most: int, directions: Any = None) -> list[list[int]]:
        """Return the points of trials ``number``, …: all ``most`` of them."""
        return [self.propose(place).tolist() for place in range(number, number + most)]

    def tell(self, trial: Any, directions: Any = None) -> None:
        """Nothing depends on what a trial gave."""

    def sample_relative(
        self, study: Any, trial: Any, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(zip(search_space, self.propose(trial.number).tolist(), strict=True))
