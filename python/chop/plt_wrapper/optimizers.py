"""Optimizers by name, for every engine alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from chop.registry import Registry
from chop.tools.errors import ConfigError

#: name -> function of parameters, learning rate, weight decay and options, which returns an Optimizer
OPTIMIZERS: Registry[Callable[..., Optimizer]] = Registry("optimizer")
OPTIMIZERS["adam"] = lambda parameters, rate, decay: Adam(parameters, lr=rate, weight_decay=decay)
OPTIMIZERS["adamw"] = lambda parameters, rate, decay: AdamW(parameters, lr=rate, weight_decay=decay)

_SGD_DECAY = 0.0005  # MASE's, whatever decay was asked for


@OPTIMIZERS.register("sgd")
def _sgd(
    parameters: Any, rate: float, decay: float, momentum: float = 0.9, nesterov: bool | None = None
) -> Optimizer:
    """MASE's SGD; a decay above 0 replaces its fixed one."""
    nesterov = momentum > 0 if nesterov is None else nesterov
    return SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay or _SGD_DECAY, nesterov=nesterov)


def make_optimizer(
    name: str,
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    momentum: float | None = None,
    nesterov: bool | None = None,
) -> Optimizer:
    """The optimizer ``name`` over the parameters that require a gradient.

    Args:
        momentum, nesterov: of "sgd"; None: 0.9, and Nesterov's rule where there is a momentum.

    Raises:
        UnknownNameError: no such optimizer.
        ConfigError: a rate that is not above 0, a negative decay, a momentum that the optimizer does not have or that
            is not in 0..1, or nothing to train.
    """
    build = OPTIMIZERS[name]
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ConfigError(f"learning_rate must be a number above 0, got {learning_rate!r}")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ConfigError(f"weight_decay must be a number of at least 0, got {weight_decay!r}")
    options = {"momentum": momentum, "nesterov": nesterov}
    options = {key: value for key, value in options.items() if value is not None}
    check_momentum(name, momentum, nesterov)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ConfigError(f"{type(model).__name__} has no parameter to train")
    return build(parameters, learning_rate, weight_decay, **options)


def check_momentum(name: str, momentum: float | None, nesterov: bool | None) -> None:
    """Check the options of "sgd".

    Raises:
        ConfigError: the optimizer has none, or the momentum is not in 0..1.
    """
    for key, value in (("momentum", momentum), ("nesterov", nesterov)):
        if value is not None and name in ("adam", "adamw"):
            raise ConfigError(f"{key} is an option of the optimizer 'sgd', not of {name!r}")
    if momentum is not None and not 0 <= momentum < 1:
        raise ConfigError(f"momentum must be a number of at least 0 and below 1, got {momentum!r}")
    if nesterov and momentum == 0:
        raise ConfigError("nesterov needs a momentum above 0, got 0")
