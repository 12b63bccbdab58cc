"""Accuracy and loss of a configuration on the first rows of a split, in one call of the evaluator."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from chop.actions.search.context import SearchContext
from chop.actions.search.metrics import evaluator_metrics
from chop.actions.search.runners.registry import SW_RUNNERS, NamesNow
from chop.actions.search.validation import StrictTable
from chop.tools.errors import ConfigError
from chop.tools.tensors import as_tensor, cast, tensors_in

WHERE = "search.strategy.sw_runner.basic_evaluation"
GUESSED_SPEED = 2e9  # products a second
ALL_ROWS = 2**62
Loader = Literal["train_dataloader", "val_dataloader", "test_dataloader", "pred_dataloader"]


class BasicEvaluationOptions(StrictTable):
    """``num_samples`` rows (None: all), rounded up to whole batches, of the split behind ``data_loader``.

    MASE's files say ``data_loader`` and its code reads ``dataloader``: both are taken, not both at once.
    """

    num_samples: int | None = Field(default=None, ge=1)
    data_loader: Loader | None = None
    dataloader: Loader | None = None

    @model_validator(mode="after")
    def _one_loader(self) -> BasicEvaluationOptions:
        if self.data_loader and self.dataloader and self.data_loader != self.dataloader:
            raise ValueError("data_loader and dataloader name different splits; give one")
        return self

    @property
    def split(self) -> str:
        """train, val, test or pred."""
        return (self.data_loader or self.dataloader or "val_dataloader").removesuffix("_dataloader")


@SW_RUNNERS.register("basic_evaluation")
class BasicEvaluation:
    """Macro accuracy, mean loss, and what else of ``chop.metrics`` is asked for, each trial from scratch.

    MASE's runner keeps its metric objects, so its figures are averages over all trials so far; here nothing
    is kept.
    """

    metrics: ClassVar[Any] = NamesNow(evaluator_metrics)
    Options: ClassVar[Any] = BasicEvaluationOptions

    def __init__(self, context: SearchContext, options: BasicEvaluationOptions) -> None:
        from chop.evaluator import Evaluator

        x, y = first_rows(context.data_module, options.split, options.num_samples)
        try:
            self.evaluator = Evaluator(context.graph, x, y, threads=context.threads)
            self.evaluator._standard(loss=True)  # logits, which all metrics take
        except ValueError as error:
            raise ConfigError(f"{WHERE}: this model and data cannot be evaluated: {error}") from error
        asked = {name: dict(options) for name, options in context.asked.items() if name in self.metrics}
        standard: dict[str, dict[str, Any]] = {"loss": {}, "accuracy": {}}
        self._names = list({**standard, **asked})
        # None: the evaluator's own choice, prepared once, holds them all.
        plain = not any(asked.values()) and set(self._names) <= {*standard, "accuracy_micro"}
        self._specs = None if plain else [{"name": n, **asked.get(n, {})} for n in self._names]
        self._check_metrics(x, y)
        self.rows = int(x.shape[0])
        context.evaluator, context.row_shape = self.evaluator, tuple(x.shape[1:])
        context.fingerprint["rows"] = rows_digest(x, y)

    @property
    def parallel(self) -> bool:
        """Whether several may measure at once: a metric in Python may keep something."""
        from chop.metrics import METRICS, NativeMetric

        return all(issubclass(METRICS[name], NativeMetric) for name in self._names)

    def float_metrics(self) -> dict[str, float]:
        """The same metrics for the model as it is."""
        return self._measure(None)

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]:
        return self._measure(config)

    def _check_metrics(self, x: Tensor, y: Tensor) -> None:
        """Measure one row, so that options and metrics that are no numbers are refused at once."""
        if self._specs is None:
            return
        from chop.evaluator import Evaluator

        try:
            found = Evaluator(self.evaluator.graph, x[:1], y[:1]).evaluate(None, metrics=self._specs)
        except ConfigError as error:
            raise ConfigError(f"search.strategy.metrics: {str(error).partition(': ')[2] or error}") from None
        for name, value in zip(self._names, found.values.values(), strict=True):
            if isinstance(value, Tensor) and value.dim() > 0:
                raise ConfigError(
                    f"search.strategy.metrics.{name}: it is {list(value.shape)} numbers, and a search needs one"
                )

    def many(self, configs: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
        """Return the metrics of each config, computed in one pass over the rows."""
        return [self._named(found) for found in self.evaluator.evaluate_many(configs, metrics=self._specs)]

    @property
    def first_batch(self) -> int:
        """How many configs take a tenth of a second at most, by a low guess of the evaluator's speed."""
        weights = sum(p.numel() for p in self.evaluator.graph.model.parameters())
        work = max(1, self.rows * weights)
        return 1 if self.evaluator.torch_nodes else max(1, int(GUESSED_SPEED / 10 / work))

    def _measure(self, config: Mapping[str, Any] | None) -> dict[str, float]:
        return self._named(self.evaluator.evaluate(config, metrics=self._specs))

    def _named(self, found: Any) -> dict[str, float]:
        if self._specs is None:
            return {name: float(found[name]) for name in self._names}
        return {name: float(v) for name, v in zip(self._names, found.values.values(), strict=True)}


def first_rows(
    data_module: Any, split: str, num_samples: int | None, where: str = WHERE
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows that MASE's runner would see: whole batches, as many as the split has.

    Args:
        data_module: a ``MaseDataModule``, or any data module with the usual ``*_dataloader`` methods.
        split: train, val, test or pred.
        num_samples: rounded up to whole batches of ``data_module.batch_size``; None: all.
        where: key path of the runner that reads them.

    Returns:
        x float32 [N, F] and y int64 [N].

    Raises:
        ConfigError: the split holds no rows.
    """
    data_module.prepare_data()
    data_module.setup()
    batch_size = int(data_module.batch_size)
    batches = math.ceil((ALL_ROWS if num_samples is None else num_samples) / batch_size)
    if hasattr(data_module, "arrays"):
        arrays = data_module.arrays(split)
        x, y = (as_tensor(array, where)[: batches * batch_size] for array in arrays)
    else:
        x, y = _rows_of_loader(getattr(data_module, f"{split}_dataloader")(), batches)
    if x.shape[0] == 0:
        raise ConfigError(f"{where}: the {split} split holds no rows")
    return cast(x, torch.float32, f"{where}: x of {split}").contiguous(), y.reshape(-1).to(
        torch.int64
    ).contiguous()


def _rows_of_loader(loader: Any, batches: int) -> tuple[torch.Tensor, torch.Tensor]:
    taken = [tensors_in(batch, "a batch") for batch, _ in zip(loader, range(batches), strict=False)]
    if not taken:
        return torch.empty(0), torch.empty(0, dtype=torch.int64)
    return torch.cat([batch[0] for batch in taken]), torch.cat([batch[1].reshape(-1) for batch in taken])


def rows_digest(*tensors: torch.Tensor) -> str:
    """Return a digest of the shapes, types and values of tensors."""
    digest = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
