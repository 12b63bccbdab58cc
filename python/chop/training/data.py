"""The rows of a training run: as tensors where the data module has them in memory, else as loaders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from chop.dataset.loaders import RowDataset, make_loader
from chop.tools.errors import ConfigError
from chop.training.order import seeded

Rows = tuple[Tensor, Tensor]


class TrainingData:
    """Training and validation rows of a data module, or of tensors.

    Args:
        source: a data module (``MaseDataModule``, or anything with ``train_dataloader`` and ``val_dataloader``), or
            ``{"train": (x, y), "val": (x, y)}``.
        batch_size: None takes the data module's own.
    """

    def __init__(self, source: Any, batch_size: int | None = None) -> None:
        self._source = source
        self._loaders: dict[str, Any] = {}
        self._arrays: dict[str, Rows | None] = {}
        given = batch_size or getattr(source, "batch_size", None) or self._loader("train").batch_size
        if given is None:
            raise ConfigError("batch_size is not known: the training loader makes batches of its own")
        self.batch_size = int(given)

    def rows(self, split: str) -> Rows | None:
        """All rows of "train" or "val", x ``[rows, ...]`` and y ``[rows]``; None where they are not in memory."""
        if split not in self._arrays:
            self._arrays[split] = self._find(split)
        return self._arrays[split]

    def _find(self, split: str) -> Rows | None:
        if isinstance(self._source, dict):
            rows: Rows = self._source[split]
            return rows
        if hasattr(self._source, "arrays"):
            x, y = self._source.arrays(split)
            return x, y
        return None

    def train_loader(self, seed: int) -> DataLoader[Any]:
        """Batches of the training rows, in an order that the seed and the epoch decide."""
        return seeded(self._loader("train"), seed, self.batch_size)

    def val_loader(self) -> Iterable[Any]:
        """Batches of the validation rows, in order."""
        return self._loader("val")

    def _loader(self, split: str) -> Any:
        if split not in self._loaders:
            if isinstance(self._source, dict):
                self._loaders[split] = make_loader(RowDataset(*self._source[split]), 4096, shuffle=False)
            else:
                self._loaders[split] = getattr(self._source, f"{split}_dataloader")()
        return self._loaders[split]
