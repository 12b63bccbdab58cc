"""Every configuration once, in an order that depends on the seed only; nothing is kept in memory."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.actions.search.samplers.registry import SAMPLERS, SamplerEntry
from chop.actions.search.samplers.whole_config import WholeConfigSampler
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

ROUNDS = 4
GRID_LIMIT = 100_000


class EnumerationSampler(WholeConfigSampler):
    """Trial ``number`` is configuration ``order(number)``, so any number of workers share one order.

    >>> sampler = EnumerationSampler({"a": 3, "b": 5}, 0)
    >>> len({tuple(sampler.propose(number).tolist()) for number in range(15)})
    15
    """

    def __init__(self, lengths: Mapping[str, int], seed: int) -> None:
        super().__init__(lengths, seed)
        self.size = math.prod(lengths.values())

    def propose(self, number: int) -> np.ndarray:
        index, indexes = scattered(number % self.size, self.size, self.seed), []
        for length in self.lengths.tolist():
            index, digit = divmod(index, length)
            indexes.append(digit)
        return np.array(indexes, dtype=np.int64)


def scattered(number: int, size: int, seed: int) -> int:
    """Return the ``number``-th entry of a permutation of 0..size-1.

    A Feistel network on the next even number of bits, walked until it lands inside (Black and Rogaway,
    "Ciphers with arbitrary finite domains", 2002).

    >>> sorted(scattered(number, 7, seed=1) for number in range(7))
    [0, 1, 2, 3, 4, 5, 6]
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = number >> half, number & mask
        for turn in range(ROUNDS):
            digest = hashlib.blake2b(f"{seed}:{turn}:{right}".encode(), digest_size=half // 8 + 1).digest()
            left, right = right, left ^ (int.from_bytes(digest, "little") & mask)
        number = left << half | right
        if number < size:
            return number


@SAMPLERS.register("brute-force")
class BruteForce(SamplerEntry):
    """Every configuration once, in random order, then it stops."""

    exhausts = True

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        return EnumerationSampler(lengths, seed)


@SAMPLERS.register("grid")
class Grid(SamplerEntry):
    """Every configuration of a space of at most 100,000, once, in an order shuffled by the seed."""

    exhausts = True

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        size = math.prod(lengths.values())
        if size > GRID_LIMIT:
            raise ConfigError(
                f"search.strategy.setup.sampler: 'grid' holds at most {GRID_LIMIT} configurations, "
                f"and the space has {size}; use brute-force"
            )
        return EnumerationSampler(lengths, seed)
