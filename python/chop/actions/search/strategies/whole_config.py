"""Samplers that propose a whole configuration in one call, from the trial's number alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler

from chop.tools.fork_lock import ForkLock

# torch's Sobol tables end here.
SOBOL_DIMENSIONS = 21201


class WholeConfigSampler(BaseSampler):
    """Asks :meth:`propose` once a trial; one relative draw is cheaper than one draw a parameter.

    Args:
        lengths: parameter -> number of choices.
        seed: of the sequence.
    """

    def __init__(self, lengths: Mapping[str, int], seed: int) -> None:
        self.seed = seed
        self.lengths = np.array(list(lengths.values()), dtype=np.int64)
        self._space: dict[str, BaseDistribution] = {n: IntDistribution(0, k - 1) for n, k in lengths.items()}

    def propose(self, number: int) -> np.ndarray:
        """Return the indexes of trial ``number``: int64 [parameters], each below its length."""
        raise NotImplementedError

    def ask(self, number: int, most: int, directions: Any = None) -> list[list[int]]:
        """Return the points of trials ``number``, …: all ``most`` of them."""
        return [self.propose(place).tolist() for place in range(number, number + most)]

    def tell(self, trial: Any, directions: Any = None) -> None:
        """Nothing depends on what a trial gave."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return self._space

    def sample_relative(
        self, study: Any, trial: Any, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(zip(search_space, self.propose(trial.number).tolist(), strict=True))

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise ValueError(f"parameter {param_name!r} is not part of this search space")


class UniformSampler(WholeConfigSampler):
    """Independent uniform indexes.

    >>> UniformSampler({"a": 3, "b": 5}, 0).propose(7).shape
    (2,)
    """

    def propose(self, number: int) -> np.ndarray:
        return np.random.default_rng((self.seed, number)).integers(self.lengths)


class SobolSampler(WholeConfigSampler):
    """Point ``number`` of a Sobol sequence, cut into equal intervals.

    >>> s = SobolSampler({"a": 4}, 0, scramble=False)
    >>> sorted(int(s.propose(n)[0]) for n in range(4))
    [0, 1, 2, 3]
    """

    def __init__(self, lengths: Mapping[str, int], seed: int, scramble: bool) -> None:
        super().__init__(lengths, seed)
        self._scramble = scramble
        if len(lengths) > SOBOL_DIMENSIONS:
            raise ValueError(
                f"a Sobol sequence has at most {SOBOL_DIMENSIONS} parameters, got {len(lengths)}"
            )
        self._engine: torch.quasirandom.SobolEngine | None = None
        self._next = 0
        self._lock = ForkLock()  # of the two above

    def propose(self, number: int) -> np.ndarray:
        if len(self.lengths) == 0:
            return self.lengths
        with self._lock:
            if self._engine is None or number < self._next:
                self._engine = torch.quasirandom.SobolEngine(len(self.lengths), self._scramble, self.seed)
                self._next = 0
            if number > self._next:
                self._engine.fast_forward(number - self._next)
            point = self._engine.draw(1, dtype=torch.float64)[0].numpy()
            self._next = number + 1
        return np.minimum((point * self.lengths).astype(np.int64), self.lengths - 1)
