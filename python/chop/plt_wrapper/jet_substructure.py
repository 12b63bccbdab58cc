"""The Lightning module for classifiers of rows; importing this file imports lightning and torchmetrics."""

from __future__ import annotations

from typing import Any

import lightning
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

from chop.plt_wrapper.optimizers import make_optimizer
from chop.plt_wrapper.schedules import Schedule


class JetSubstructureModelWrapper(lightning.LightningModule):
    """Cross-entropy training of a classifier, with MASE's names for what it logs.

    Args:
        model: maps ``[rows, features]`` to logits ``[rows, classes]``.
        dataset_info: needs num_classes.
        learning_rate, weight_decay: of the optimizer.
        epochs: length of the schedule, in its intervals.
        optimizer: "adam", "adamw" or "sgd".
        momentum, nesterov: of "sgd"; None: 0.9 and True.
        schedule: how the rate falls; None: MASE's cosine to 1e-6, stepped once an epoch.

    Logs train_acc_step, train_loss_step, val_acc_epoch, val_loss_epoch, test_acc_epoch and test_loss_epoch;
    accuracies are macro averages over the classes.
    """

    def __init__(
        self,
        model: nn.Module,
        dataset_info: Any = None,
        learning_rate: float = 1e-5,
        weight_decay: float = 0.0,
        epochs: int = 20,
        optimizer: str = "adam",
        momentum: float | None = None,
        nesterov: bool | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.epochs = epochs
        self.schedule = schedule or Schedule()
        self._optimizer = (optimizer, learning_rate, weight_decay, momentum, nesterov)
        self.loss_fn = nn.CrossEntropyLoss()
        classes = int(dataset_info.num_classes)
        self.metrics = nn.ModuleDict(
            {f"{s}_acc": MulticlassAccuracy(classes) for s in ("train", "val", "test")}
        )
        self.metrics.update({f"{s}_loss": MeanMetric() for s in ("val", "test")})

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.model(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Loss of one training batch; that loss and the logits are there for callbacks."""
        x, y = batch
        logits = self(x)
        loss: Tensor = self.loss_fn(logits, y)
        self.log("train_acc_step", self._metric("train_acc")(logits, y), prog_bar=True)
        self.log("train_loss_step", loss, prog_bar=True)
        # Lightning divides "loss" by the batches it accumulates.
        return {"loss": loss, "batch_loss": loss.detach(), "logits": logits.detach()}

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Adds one validation batch to the epoch's figures; returns its logits."""
        return self._score(batch, "val")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Adds one test batch to the epoch's figures; returns its logits."""
        return self._score(batch, "test")

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Class of each row of a batch."""
        return self(batch[0]).argmax(dim=1)

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule."""
        name, rate, decay, momentum, nesterov = self._optimizer
        optimizer = make_optimizer(name, self.model, rate, decay, momentum, nesterov)
        scheduler = self.schedule.make(optimizer, self.epochs)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": self.schedule.interval},
        }

    def _score(self, batch: tuple[Tensor, Tensor], split: str) -> Tensor:
        x, y = batch
        logits: Tensor = self(x)
        accuracy, loss = self._metric(f"{split}_acc"), self._metric(f"{split}_loss")
        accuracy.update(logits, y)
        loss.update(self.loss_fn(logits, y), weight=len(y))
        self.log(f"{split}_acc_epoch", accuracy, on_epoch=True, prog_bar=True)
        self.log(f"{split}_loss_epoch", loss, on_epoch=True, prog_bar=True)
        return logits

    def _metric(self, name: str) -> Metric:
        metric = self.metrics[name]
        assert isinstance(metric, Metric)
        return metric
