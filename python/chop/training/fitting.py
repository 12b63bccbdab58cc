"""One training run, from its options to its figures."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from chop.ir.graph.mase_graph import MaseGraph
from chop.plt_wrapper.schedules import Schedule, check_schedule
from chop.tools.errors import ConfigError
from chop.training.checkpoints import load_resumable
from chop.training.data import TrainingData
from chop.training.engines import AUTO, choose
from chop.training.plan import EpochEnd, Job, Plan
from chop.training.resumable import check_facts, check_state
from chop.training.trainer_args import TrainerArgs


def fit(
    model: nn.Module | MaseGraph,
    data: Any,
    *,
    classes: int,
    trainer_args: Mapping[str, Any] | TrainerArgs | None = None,
    engine: str = AUTO,
    optimizer: str = "adam",
    learning_rate: float = 1e-5,
    weight_decay: float = 0.0,
    momentum: float | None = None,
    nesterov: bool | None = None,
    lr_scheduler: str | Schedule = "cosine",
    batch_size: int | None = None,
    straight_through: str = "plain",
    seed: int = 0,
    save_path: str | os.PathLike[str] | None = None,
    logs: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    bar: bool = True,
    validate: bool = True,
    halt: threading.Event | None = None,
    model_info: Any = None,
    validate_only: bool = False,
    callbacks: Sequence[EpochEnd] = (),
) -> dict[str, Any]:
    """Train a classifier with cross-entropy on one engine.

    Args:
        model: trained in place: ``[rows, ...]`` float32 to logits ``[rows, outputs]``. A graph is not traced again.
        data: a data module, or ``{"train": (x, y), "val": (x, y)}``.
        classes: number of labels.
        trainer_args: see :meth:`TrainerArgs.parse`.
        engine: "native", "lightning", or "auto": the core where it can train the model, else Lightning.
        optimizer, learning_rate, weight_decay, momentum, nesterov: see :func:`.make_optimizer`.
        lr_scheduler: "cosine" (to 1e-6), "linear" (to 0), "constant", or a :class:`Schedule`.
        batch_size: None takes the data module's.
        straight_through: gradient of quantizers, "plain" or "clipped".
        seed: of the order of the rows.
        save_path: folder for best.ckpt, last.ckpt and metrics.csv. logs: folder for TensorBoard.
        resume: the last.ckpt to go on from; it must lie in ``save_path``.
        bar: whether to show progress. validate: whether to score the validation rows after each epoch.
        halt: an event by which another thread ends the run with KeyboardInterrupt.
        model_info: chooses the Lightning wrapper.
        validate_only: check everything that can be refused, train nothing, write nothing.
        callbacks: functions of a dict, called when an epoch is over: epoch (from 0), step, learning_rate,
            train_loss_epoch, train_acc_epoch and, of validation, val_loss_epoch, val_acc_epoch, val_acc_micro.
            Where one returns True the run ends there: checkpoints are written, ``stopped_early`` is True.

    Returns:
        What :func:`chop.actions.train` returns; nothing where it was to be checked only.

    Raises:
        ConfigError: a value that is not allowed, or an engine that cannot train this.
        RuntimeError: the loss is not finite any more.

    >>> import torch
    >>> x = torch.randn(64, 4)
    >>> rows = x, (x[:, 0] > 0).long()
    >>> args = {"max_epochs": 1, "accelerator": "cpu"}
    >>> result = fit(nn.Sequential(nn.Linear(4, 2)), {"train": rows, "val": rows}, classes=2, trainer_args=args,
    ...              batch_size=16, engine="native", bar=False)
    >>> result["global_step"], result["engine"]
    (4, 'native')
    """
    limits = trainer_args if isinstance(trainer_args, TrainerArgs) else TrainerArgs.parse(trainer_args)
    source = TrainingData(data, batch_size)
    plan = Plan(
        limits=limits,
        batch_size=source.batch_size,
        classes=classes,
        optimizer=optimizer,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        momentum=momentum,
        nesterov=nesterov,
        schedule=_schedule(lr_scheduler),
        straight_through=straight_through,
        seed=seed,
    )
    for split in ("train", "val") if validate else ("train",):
        if (rows := source.rows(split)) is not None and not len(rows[1]):
            raise ConfigError(f"data: there are no rows to {'train' if split == 'train' else 'validate'} on")
    graph = model if isinstance(model, MaseGraph) else None
    module = model.model if isinstance(model, MaseGraph) else model
    plan.make_optimizer(module)  # what it refuses is refused before anything is read or written
    shown = bar and not validate_only
    job = Job(
        module, plan, source, bar=shown, validate=validate, halt=halt, model_info=model_info, graph=graph
    )
    job.callbacks = tuple(callbacks)
    job.folder = None if save_path is None else Path(save_path)
    job.logs = None if logs is None else Path(logs)
    if resume is not None:
        job.resume, job.checkpoint = _resumed(Path(resume), job.folder)
    chosen = choose(engine, job)
    job.check_resumed(chosen.name)
    check_state(job, chosen.name)
    return {} if validate_only else chosen.fit(job)


def _schedule(given: str | Schedule) -> Schedule:
    return given if isinstance(given, Schedule) else Schedule(check_schedule(given))


def _resumed(path: Path, folder: Path | None) -> tuple[Path, dict[str, Any]]:
    if folder is None or path.resolve().parent != folder.resolve():
        raise ConfigError(
            f"resume: a run goes on where it was saved: save_path must be {path.parent}, got {folder}"
        )
    content = load_resumable(path)
    check_facts(content, path)
    return path, content
