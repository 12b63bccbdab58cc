"""Samplers without a memory: uniform draws and a Sobol sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from chop.actions.search.samplers.registry import SAMPLERS, SamplerEntry
from chop.actions.search.samplers.whole_config import WholeConfigSampler
from chop.actions.search.validation import StrictTable
from chop.tools.fork_lock import ForkLock

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

# torch's Sobol tables end here.
SOBOL_DIMENSIONS = 21201


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


@SAMPLERS.register("random")
class Random(SamplerEntry):
    """Uniform and independent; proposes the whole configuration in one call."""

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        return UniformSampler(lengths, seed)


@SAMPLERS.register("qmc")
class QuasiMonteCarlo(SamplerEntry):
    """A Sobol sequence (Sobol 1967), the same point for the same trial number."""

    class Options(StrictTable):
        """``scramble``: Owen's scrambling with the seed; without it the sequence has no seed."""

        scramble: bool = False

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        return SobolSampler(lengths, seed, options.scramble)
