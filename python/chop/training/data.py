"""The rows of a training run: as tensors where the data module has them in memory, else as loaders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from chop.dataset.loaders import RowDataset, make_loader
from chop.tools.errors import ConfigError
from chop.tools.tensors import as_tensor
from chop.training.order import seeded

Rows = tuple[Tensor, Tensor]


class TrainingData:
    """Training and validation rows of a data module, or of tensors.

    Args:
        source: a data module (``MaseDataModule``, or anything with ``train_dataloader`` and ``val_dataloader``), or
            ``{"train": (x, y), "val": (x, y)}`` of tensors or NumPy arrays.
        batch_size: None takes the data module's own.
    """

    def __init__(self, source: Any, batch_size: int | None = None) -> None:
        self._source = source
        self._loaders: dict[str, Any] = {}
        self._arrays: dict[str, Rows | None] = {}
        self._digest: str | None = None
        given = getattr(source, "batch_size", None) if batch_size is None else batch_size
        if given is None:
            given = self._loader("train").batch_size
        if given is None:
            raise ConfigError("batch_size is not known: the training loader makes batches of its own")
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 1:
            raise ConfigError(f"batch_size must be an integer of at least 1, got {given!r}")
        self.batch_size = int(given)

    def rows(self, split: str) -> Rows | None:
        """All rows of "train" or "val", x ``[rows, ...]`` and y ``[rows]``; None where they are not in memory."""
        if split not in self._arrays:
            self._arrays[split] = self._find(split)
        return self._arrays[split]

    def digest(self) -> str | None:
        """Hexadecimal SHA-256 of all rows; None where they are not in memory."""
        if self._digest is None and self.rows("train") is not None:
            given = self._source if isinstance(self._source, dict) else ("train", "val")
            pairs = [self.rows(split) or () for split in ("train", "val") if split in given]
            self._digest = digest_of(tensor for pair in pairs for tensor in pair)
        return self._digest

    def _find(self, split: str) -> Rows | None:
        if isinstance(self._source, dict):
            if split not in self._source:
                raise ConfigError(f"data: there are no rows under {split!r}")
            x, y = self._source[split]
        elif hasattr(self._source, "arrays"):
            x, y = self._source.arrays(split)
        else:
            return None
        return as_tensor(x, f"data: x of {split!r}"), as_tensor(y, f"data: y of {split!r}")

    def train_loader(self, seed: int) -> DataLoader[Any]:
        """Batches of the training rows, in an order that the seed and the epoch decide."""
        return seeded(self._loader("train"), seed, self.batch_size)

    def val_loader(self) -> Iterable[Any]:
        """Batches of the validation rows, in order."""
        return self._loader("val")

    def _loader(self, split: str) -> Any:
        if split not in self._loaders:
            if isinstance(self._source, dict):
                self._loaders[split] = make_loader(RowDataset(*(self.rows(split) or ())), 4096, shuffle=False)
            else:
                self._loaders[split] = getattr(self._source, f"{split}_dataloader")()
        return self._loaders[split]


def digest_of(tensors: Iterable[Tensor], text: str = "") -> str:
    """Hexadecimal SHA-256 of the tensors' numbers, shapes and types, and of a text.

    >>> digest_of([Tensor([1.0])]) == digest_of([Tensor([[1.0]])])
    False
    """
    found = hashlib.sha256(text.encode())
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous()
        found.update(f"{tuple(plain.shape)}{plain.dtype}".encode())
        found.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
