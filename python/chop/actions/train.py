"""``ch train``: a classifier is trained by the core or by Lightning."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from chop.actions.pictures import save_picture
from chop.tools.checkpoint_load import load_model
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.training.plan import EpochEnd
from chop.training.trainer_args import TrainerArgs

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
    load_type: str | None = None,
    seed: int = 0,
    engine: str = "auto",
    resume: str | os.PathLike[str] | None = None,
    momentum: float | None = None,
    nesterov: bool | None = None,
    lr_scheduler: str = "cosine",
    straight_through: str = "plain",
    validate_only: bool = False,
    callbacks: Sequence[EpochEnd] = (),
) -> dict[str, Any]:
    """Train a classifier with cross-entropy; the learning rate falls on a cosine to 1e-6, once an epoch.

    Args:
        model: trained in place; at the end it holds the weights of the last epoch. A quantized model (after
            ``quantize_transform_pass``) is trained through its quantizers.
        model_info: chooses the Lightning wrapper. auto_requeue: kept for MASE's interface.
        data_module: gives the training and validation rows.
        dataset_info: needs num_classes.
        task: "cls" or "classification".
        optimizer: "adam", "adamw" or "sgd" (with ``momentum`` and ``nesterov``; left out: MASE's 0.9, True and a weight
            decay of 0.0005 unless another is given).
        plt_trainer_args: max_epochs (20), max_steps, accumulate_grad_batches, accelerator, gradient_clip_val,
            gradient_clip_algorithm, early_stopping_patience, …; see :meth:`TrainerArgs.parse`.
        save_path: folder for ``best.ckpt`` (lowest validation loss), ``last.ckpt``, ``metrics.csv`` and
            ``learning_curves.png`` (with matplotlib); None writes nothing.
        visualizer: folder for TensorBoard logs, or one of Lightning's loggers, whose folder is taken.
        load_name, load_type: weights to start from; None: the type is found in the file.
        seed: decides the order of the rows; one seed gives the same weights, bit for bit, on any number of
            threads: the CPU part runs on one.
        engine: "native" (the C++ core, for graphs that it knows, on the CPU), "lightning" (extra ``train``), or "auto":
            native where it can, with the reason in the log.
        resume: the ``last.ckpt`` in ``save_path``: the run goes on, and ends bit for bit like one that was never
            interrupted.
        lr_scheduler: "cosine", "linear" (to 0) or "constant".
        straight_through: gradient of quantizers: "plain", or "clipped": 0 where a value left the range; see
            :func:`chop.nn.quantizers.straight_through`.
        validate_only: check everything, train and write nothing, and return nothing.
        callbacks: called with the figures of each finished epoch; see :func:`chop.training.fit`.

    Returns:
        epochs, global_step, train_loss_epoch, train_acc_epoch, val_loss_epoch, val_acc_epoch (macro),
        val_acc_micro, best_epoch, best_val_loss, and the paths best and last (None without save_path); further
        train_loss_step and train_acc_step (of the last batch), stopped_early, engine and the path metrics.

    Raises:
        ConfigError: a value that is not allowed. RuntimeError: the loss became nan or infinite.
        KeyboardInterrupt: Ctrl-C; ``last.ckpt`` then holds the last whole epoch.
    """
    if task not in ("cls", "classification"):
        raise ConfigError(f"task: training serves 'cls' ('classification'), got {task!r}")
    from chop.training import fit

    limits = TrainerArgs.parse(plt_trainer_args)
    if load_name is not None:
        load_model(load_name, load_type, model)
    data_module.prepare_data()
    data_module.setup()
    result = fit(
        model,
        data_module,
        classes=int(dataset_info.num_classes),
        trainer_args=limits,
        engine=engine,
        optimizer=optimizer,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        momentum=momentum,
        nesterov=nesterov,
        lr_scheduler=lr_scheduler,
        straight_through=straight_through,
        seed=seed,
        save_path=save_path,
        logs=_logs(visualizer),
        resume=resume,
        model_info=model_info,
        validate_only=validate_only,
        callbacks=callbacks,
    )
    if validate_only:
        return result
    _tell(result)
    return result


def _tell(result: Mapping[str, Any]) -> None:
    metrics = result["metrics"]
    if metrics is not None:
        save_picture("learning_curves", metrics, Path(metrics).with_name("learning_curves.png"))
    logger.info(
        "trained %d epochs (%s): validation accuracy %.4f",
        result["epochs"],
        result["engine"],
        result["val_acc_epoch"],
    )


def _logs(visualizer: Any) -> Path | None:
    folder = getattr(visualizer, "save_dir", visualizer)
    return None if folder is None else Path(folder)
