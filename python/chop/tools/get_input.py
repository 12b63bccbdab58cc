"""Model inputs drawn from a data module, for passes that need example data (MASE's names)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

_LOADERS = {
    "train": "train_dataloader",
    "val": "val_dataloader",
    "validation": "val_dataloader",
    "test": "test_dataloader",
    "pred": "pred_dataloader",
}


class InputGenerator:
    """Iterates over the inputs of a data module: one ``{"x": batch}`` for each batch, labels left out.

    Args:
        data_module: needs ``prepare_data``, ``setup`` and ``<which>_dataloader``.
        model_info, task: kept for MASE's interface; classification of rows is the one supported input form.
        which_dataloader: "train", "val", "test" or "pred".
        max_batches: stop after so many batches; None goes through the split once.

    Raises:
        ConfigError: an unknown split, or max_batches below 1.

    ``next(generator)`` works as well as a for loop; a for loop starts from the first batch again.
    """

    def __init__(
        self,
        model_info: Any = None,
        data_module: Any = None,
        task: str = "cls",
        which_dataloader: str = "train",
        max_batches: int | None = None,
    ) -> None:
        if which_dataloader not in _LOADERS:
            hint = did_you_mean(which_dataloader, _LOADERS)
            raise ConfigError(
                f"which_dataloader must be one of {', '.join(_LOADERS)}, got {which_dataloader!r}{hint}"
            )
        if max_batches is not None and max_batches < 1:
            raise ConfigError(f"max_batches must be at least 1 or None, got {max_batches}")
        data_module.prepare_data()
        data_module.setup()
        self.model_info = model_info
        self.task = task
        self.max_batches = max_batches
        self._loader = getattr(data_module, _LOADERS[which_dataloader])()
        self._batches = self._walk()

    def _walk(self) -> Iterator[dict[str, Tensor]]:
        for index, batch in enumerate(self._loader):
            if index == self.max_batches:
                return
            yield {"x": batch[0]}

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        self._batches = self._walk()
        return self._batches

    def __next__(self) -> dict[str, Tensor]:
        return next(self._batches)


def get_dummy_input(
    model_info: Any = None, data_module: Any = None, task: str = "cls", device: str = "cpu"
) -> dict[str, Tensor]:
    """The first whole training batch as ``{"x": [batch, ...]}``, on ``device``."""
    batch = next(iter(InputGenerator(model_info, data_module, task, "train", max_batches=1)))
    return {name: tensor.to(device) for name, tensor in batch.items()}


def get_cf_args(model_info: Any = None, task: str = "cls", model: Any = None) -> dict[str, Any]:
    """Arguments of ``forward`` to fix while tracing: none for models of rows."""
    return {}
