"""Optimizers by name, for the plain loop and for Lightning alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from chop.registry import Registry
from chop.tools.errors import ConfigError

#: name -> function(parameters, learning_rate, weight_decay) -> Optimizer
OPTIMIZERS: Registry[Callable[[Any, float, float], Optimizer]] = Registry("optimizer")
OPTIMIZERS["adam"] = lambda parameters, rate, decay: Adam(parameters, lr=rate, weight_decay=decay)
OPTIMIZERS["adamw"] = lambda parameters, rate, decay: AdamW(parameters, lr=rate, weight_decay=decay)
# MASE fixes these three for SGD and leaves the decay that was asked for aside.
OPTIMIZERS["sgd"] = lambda parameters, rate, decay: SGD(
    parameters, lr=rate, momentum=0.9, weight_decay=0.0005, nesterov=True
)

_LAST_RATE = 1e-6  # where MASE's cosine schedule ends


def make_optimizer(name: str, model: nn.Module, learning_rate: float, weight_decay: float) -> Optimizer:
    """The optimizer ``name`` over the parameters that require a gradient.

    Raises:
        UnknownNameError: no such optimizer.
        ConfigError: a rate that is not above 0, a negative decay, or nothing to train.
    """
    build = OPTIMIZERS[name]
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ConfigError(f"learning_rate must be a number above 0, got {learning_rate!r}")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ConfigError(f"weight_decay must be a number of at least 0, got {weight_decay!r}")
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ConfigError(f"{type(model).__name__} has no parameter to train")
    return build(parameters, learning_rate, weight_decay)


def make_schedule(optimizer: Optimizer, epochs: int) -> CosineAnnealingLR:
    """The learning rate on a cosine from its start to 1e-6 over ``epochs`` steps of the schedule."""
    return CosineAnnealingLR(optimizer, T_max=epochs, eta_min=_LAST_RATE)
