"""Checkpoints in the layout of Lightning, so that Lightning and MASE's own loader read them."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chop.tools.atomic_write import atomic_write
from chop.tools.checkpoint_load import read_lightning

# The layout's version, from which Lightning decides what it must migrate.
_LAYOUT_VERSION = "2.5.0"
_STAGES = ("ready", "started", "processed", "completed")


def checkpoint_content(
    state: Mapping[str, Tensor],
    optimizer: Mapping[str, Any],
    scheduler: Mapping[str, Any],
    row: Mapping[str, Any],
    run: Mapping[str, Any],
    batches: int,
) -> dict[str, Any]:
    """Make the content of one ``.ckpt``.

    Args:
        state: the model's state; it goes under names that start with "model.", as a wrapper module has it.
        optimizer, scheduler: state dicts of torch's classes.
        row: figures of the epoch that has ended, as in metrics.csv.
        run: engine, plan and best figures. batches: in an epoch.
    """
    return {
        "epoch": row["epoch"],
        "global_step": row["step"],
        "pytorch-lightning_version": _LAYOUT_VERSION,
        "state_dict": {f"model.{name}": tensor for name, tensor in state.items()},
        "loops": lightning_loops(row["epoch"], row["step"], batches),
        "callbacks": {},
        "optimizer_states": [dict(optimizer)],
        "lr_schedulers": [dict(scheduler)],
        "hparams_name": "kwargs",
        "hyper_parameters": {},
        "chop_scores": dict(row),
        "chop_run": dict(run),
    }


def lightning_loops(epoch: int, step: int, batches: int) -> dict[str, Any]:
    """Where Lightning's own loops would stand after the epoch, so that ``trainer.fit(ckpt_path=…)`` goes on from here.

    Args:
        epoch: number of the epoch that has ended. step: optimizer steps so far. batches: in an epoch.
    """
    done = epoch + 1
    steps = {"ready": step, "completed": step}
    return {
        "fit_loop": {
            "state_dict": {},
            "epoch_loop.state_dict": {"_batches_that_stepped": step},
            "epoch_loop.batch_progress": {
                "total": dict.fromkeys(_STAGES, done * batches),
                "current": dict.fromkeys(_STAGES, batches),
                "is_last_batch": True,
            },
            "epoch_loop.scheduler_progress": {
                "total": {"ready": done, "completed": done},
                "current": {"ready": 1, "completed": 1},
            },
            "epoch_loop.automatic_optimization.state_dict": {},
            "epoch_loop.automatic_optimization.optim_progress": {
                "optimizer": {
                    "step": {"total": steps, "current": dict(steps)},
                    "zero_grad": {"total": steps | {"started": step}, "current": steps | {"started": step}},
                }
            },
            "epoch_loop.manual_optimization.state_dict": {},
            "epoch_loop.manual_optimization.optim_step_progress": {
                "total": {"ready": 0, "completed": 0},
                "current": {"ready": 0, "completed": 0},
            },
            "epoch_loop.val_loop.state_dict": {},
            "epoch_loop.val_loop.batch_progress": {
                "total": dict.fromkeys(_STAGES, 0),
                "current": dict.fromkeys(_STAGES, 0),
                "is_last_batch": True,
            },
            "epoch_progress": {
                "total": dict.fromkeys(_STAGES, done) | {"completed": epoch},
                "current": dict.fromkeys(_STAGES, done) | {"completed": epoch},
            },
        }
    }


def save_checkpoint(path: str | os.PathLike[str], content: Mapping[str, Any]) -> Path:
    """Write one ``.ckpt``, atomically; ``torch.load(..., weights_only=True)`` reads it."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return atomic_write(path, buffer.getvalue())


def load_resumable(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a ``last.ckpt`` (or ``best.ckpt``) that ``ch train`` wrote.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: unreadable.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"resume: checkpoint {path} does not exist")
    return read_lightning(Path(path))


def weights_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The model's state in a checkpoint's content."""
    return {name.removeprefix("model."): tensor for name, tensor in content["state_dict"].items()}
