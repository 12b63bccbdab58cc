"""``ch train``: a plain torch training loop."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from tqdm.auto import tqdm

from chop.actions.lightning_layout import save_checkpoint
from chop.actions.trainer_args import TrainerArgs
from chop.actions.training_loop import Score, Stepper, evaluate, one_thread
from chop.plt_wrapper.optimizers import make_optimizer, make_schedule
from chop.tools.checkpoint_load import load_model
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)


def train(
    model: nn.Module,
    model_info: Any,
    data_module: Any,
    dataset_info: Any,
    task: str,
    optimizer: str = "adam",
    learning_rate: float = 1e-5,
    weight_decay: float = 0.0,
    plt_trainer_args: Mapping[str, Any] | None = None,
    auto_requeue: bool = False,
    save_path: str | os.PathLike[str] | None = None,
    visualizer: Any = None,
    load_name: str | os.PathLike[str] | None = None,
    load_type: str = "mz",
    seed: int = 0,
) -> dict[str, Any]:
    """Train a classifier with cross-entropy; the learning rate falls on a cosine to 1e-6, once an epoch.

    Args:
        model: trained in place; at the end it holds the weights of the last epoch.
        model_info, auto_requeue, visualizer: kept for MASE's interface.
        data_module: gives the training and validation batches.
        dataset_info: needs num_classes.
        task: "cls" or "classification".
        optimizer: "adam", "adamw" or "sgd".
        plt_trainer_args: max_epochs (20), max_steps, accumulate_grad_batches, accelerator; see
            :meth:`TrainerArgs.parse`.
        save_path: folder for ``best.ckpt`` (lowest validation loss) and ``last.ckpt``; None writes nothing.
        load_name, load_type: weights to start from.
        seed: decides the order of the rows; one seed gives the same weights, bit for bit, on any number of
            threads: the CPU part runs on one.

    Returns:
        epochs, global_step, train_loss_epoch, train_acc_epoch, val_loss_epoch, val_acc_epoch (macro),
        val_acc_micro, best_epoch, best_val_loss, and the paths best and last (None without save_path).

    Raises:
        ConfigError: a value that is not allowed. RuntimeError: the loss became nan or infinite.
    """
    if task not in ("cls", "classification"):
        raise ConfigError(f"task: training serves 'cls' ('classification'), got {task!r}")
    limits = TrainerArgs.parse(plt_trainer_args)
    if load_name is not None:
        load_model(load_name, load_type, model)
    run = _Run(model, make_optimizer(optimizer, model, learning_rate, weight_decay), limits, dataset_info)
    data_module.prepare_data()
    data_module.setup()
    folder = Path(save_path) if save_path is not None else None
    cuda = [limits.device.index or 0] if limits.device.type == "cuda" else []
    # The caller's random stream goes on as if nothing had been drawn.
    with one_thread(), torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        result = run.fit(data_module, folder)
    logger.info("trained %d epochs: validation accuracy %.4f", result["epochs"], result["val_acc_epoch"])
    return result


class _Run:
    # One training run: the model with its optimizer, schedule and best score so far.

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, limits: TrainerArgs, dataset_info: Any
    ) -> None:
        self.model = model.to(limits.device)
        self.limits = limits
        self.classes = int(dataset_info.num_classes)
        self.stepper = Stepper(
            model, optimizer, self.classes, limits.accumulate_grad_batches, limits.max_steps
        )
        self.best: tuple[float, int] = (float("inf"), -1)

    def fit(self, data_module: Any, folder: Path | None) -> dict[str, Any]:
        batches = data_module.train_dataloader()
        epochs = self.limits.max_epochs or self._epochs_for_steps(len(batches))
        scheduler = make_schedule(self.stepper.optimizer, epochs)
        scores: dict[str, float] = {}
        epoch = 0
        bar = tqdm(total=epochs * len(batches), desc="Training", unit="batch", leave=True)
        with bar:
            for epoch in range(epochs):
                bar.set_description(f"Epoch {epoch + 1}/{epochs}")
                learned = self.stepper.epoch(
                    batches, self.limits.device, _Progress(bar, self.limits.log_every_n_steps)
                )
                checked = evaluate(self.model, data_module.val_dataloader(), self.classes, self.limits.device)
                scheduler.step()
                scores = _scores(learned, checked)
                bar.set_postfix(
                    loss=f"{learned.loss:.4f}",
                    acc=f"{learned.accuracy_micro:.4f}",
                    val_loss=f"{checked.loss:.4f}",
                    val_acc=f"{checked.accuracy:.4f}",
                )
                self._save(folder, scheduler, epoch, scores)
                if self.stepper.done:
                    break
        return {
            "epochs": epoch + 1,
            "global_step": self.stepper.steps,
            **scores,
            "best_val_loss": self.best[0],
            "best_epoch": self.best[1],
            "best": folder / "best.ckpt" if folder else None,
            "last": folder / "last.ckpt" if folder else None,
        }

    def _epochs_for_steps(self, batches: int) -> int:
        steps_an_epoch = -(-batches // self.limits.accumulate_grad_batches)
        assert self.limits.max_steps is not None
        return -(-self.limits.max_steps // steps_an_epoch)

    def _save(
        self, folder: Path | None, scheduler: LRScheduler, epoch: int, scores: dict[str, float]
    ) -> None:
        improved = epoch == 0 or scores["val_loss_epoch"] < self.best[0]
        if improved:
            self.best = (scores["val_loss_epoch"], epoch)
        if folder is None:
            return
        for name in ("best.ckpt", "last.ckpt") if improved else ("last.ckpt",):
            save_checkpoint(
                folder / name,
                self.model,
                self.stepper.optimizer,
                scheduler,
                epoch,
                self.stepper.steps,
                scores,
            )


class _Progress:
    # Refreshing the text at every batch would cost as much as the step; tqdm limits the drawing, not the
    # formatting.

    def __init__(self, bar: tqdm, every: int) -> None:
        self.bar = bar
        self.every = every

    def __call__(self, loss: float, accuracy: float, steps: int) -> None:
        if self.bar.n % self.every == 0:
            self.bar.set_postfix(loss=f"{loss:.4f}", acc=f"{accuracy:.4f}", refresh=False)
        self.bar.update()


def _scores(learned: Score, checked: Score) -> dict[str, float]:
    return {
        "train_loss_epoch": learned.loss,
        "train_acc_epoch": learned.accuracy,
        "val_loss_epoch": checked.loss,
        "val_acc_epoch": checked.accuracy,
        "val_acc_micro": checked.accuracy_micro,
    }
