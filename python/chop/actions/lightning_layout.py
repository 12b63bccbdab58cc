"""Checkpoints in the layout of Lightning, so that Lightning and MASE's own loader read them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from chop.tools.atomic_write import atomic_write

# The layout's version, from which Lightning decides what it must migrate.
_LAYOUT_VERSION = "2.5.0"


def save_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    epoch: int,
    global_step: int,
    scores: dict[str, float],
) -> Path:
    """Write one ``.ckpt``, atomically; ``torch.load(..., weights_only=True)`` reads it.

    Args:
        path: target file.
        model: its state goes under names that start with "model.", as a wrapper module has it.
        optimizer, scheduler: their states are kept too.
        epoch: number of the epoch that has ended, from 0. global_step: optimizer steps so far.
        scores: figures to keep with the weights.
    """
    state = {f"model.{name}": tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    content: dict[str, Any] = {
        "epoch": epoch,
        "global_step": global_step,
        "pytorch-lightning_version": _LAYOUT_VERSION,
        "state_dict": state,
        "callbacks": {},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [scheduler.state_dict()],
        "hparams_name": "kwargs",
        "hyper_parameters": {},
        "chop_scores": scores,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return atomic_write(path, buffer.getvalue())
