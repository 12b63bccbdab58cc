"""The order of the rows in an epoch: a permutation that the seed and the epoch's number alone decide.

A run that goes on after an interruption therefore needs no state of a random generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, Sampler, SequentialSampler


def derive_seed(*parts: int | str) -> int:
    """Return a seed in 0..2**32-1 (all that torch's CPU generator reads) that mixes the parts.

    >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(1, 0)
    (True, False)
    """
    text = ":".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "little")


def epoch_order(seed: int, epoch: int, rows: int) -> Tensor:
    """Return the numbers 0..rows-1 in the order of one epoch, int64 ``[rows]``.

    >>> epoch_order(0, 3, 4).sort().values
    tensor([0, 1, 2, 3])
    """
    generator = torch.Generator()
    generator.manual_seed(derive_seed(seed, epoch))
    return torch.randperm(rows, generator=generator)


class EpochSampler(Sampler[int]):
    """The same order for a DataLoader; Lightning calls :meth:`set_epoch` before each epoch.

    >>> sampler = EpochSampler(4, seed=0)
    >>> sampler.set_epoch(3)
    >>> list(sampler) == epoch_order(0, 3, 4).tolist()
    True
    """

    def __init__(self, rows: int, seed: int) -> None:
        self._rows = rows
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        return iter(epoch_order(self._seed, self._epoch, self._rows).tolist())


def seeded(loader: DataLoader[Any], seed: int, batch_size: int | None = None) -> DataLoader[Any]:
    """Return a loader of the same rows in the seeded order; one with a sampler of its own stays as it is."""
    if type(loader.sampler) not in (RandomSampler, SequentialSampler) or loader.batch_size is None:
        return loader
    return DataLoader(
        loader.dataset,
        batch_size=batch_size or loader.batch_size,
        sampler=EpochSampler(len(loader.dataset), seed),  # type: ignore[arg-type]
        collate_fn=loader.collate_fn,
        num_workers=loader.num_workers,
        drop_last=loader.drop_last,
    )
