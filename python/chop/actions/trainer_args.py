"""The trainer's arguments, read from the dict that MASE passes to Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)

_ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
# Accepted because MASE hands them to Lightning; one process on one device has no use for them.
_UNUSED = ("devices", "num_nodes", "strategy", "precision")


_KNOWN = (
    "max_epochs",
    "max_steps",
    "accumulate_grad_batches",
    "log_every_n_steps",
    "accelerator",
    "fast_dev_run",
    *_UNUSED,
)


@dataclass(frozen=True)
class TrainerArgs:
    """How long to train and where.

    Args:
        max_epochs: passes over the training rows, None for no limit.
        max_steps: optimizer steps in all, None for no limit.
        accumulate_grad_batches: batches in one step.
        log_every_n_steps: steps between two looks at the running loss.
        device: where the model and the batches go.
    """

    max_epochs: int | None
    max_steps: int | None
    accumulate_grad_batches: int
    log_every_n_steps: int
    device: torch.device

    @classmethod
    def parse(cls, args: Mapping[str, Any] | None) -> TrainerArgs:
        """Read MASE's ``plt_trainer_args``.

        Numbers that are None or not positive mean "no limit" for max_epochs and max_steps. Training
        computes in float32 on one device, so precision, devices, num_nodes and strategy have no effect.
        ``fast_dev_run`` stops after one step.

        Raises:
            ConfigError: an unknown key, or a value that is not allowed.
        """
        given = dict(args or {})
        for key in given:
            if key not in _KNOWN:
                raise ConfigError(f"plt_trainer_args.{key} is not known{did_you_mean(key, _KNOWN)}")
        epochs = _limit(given, "max_epochs", 20)
        steps = 1 if given.get("fast_dev_run") else _limit(given, "max_steps", None)
        if epochs is None and steps is None:
            raise ConfigError("plt_trainer_args: max_epochs or max_steps must be at least 1")
        return cls(
            epochs,
            steps,
            _count(given, "accumulate_grad_batches", 1),
            _count(given, "log_every_n_steps", 50),
            pick_device(given.get("accelerator", "auto")),
        )


def pick_device(accelerator: str) -> torch.device:
    """The device for "auto", "cpu", "gpu", "cuda" or "mps"; one that the machine lacks is a warning, and
    the CPU.

    Raises:
        ConfigError: another word.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if accelerator not in _ACCELERATORS:
        hint = did_you_mean(accelerator, _ACCELERATORS)
        raise ConfigError(f"accelerator must be one of {', '.join(_ACCELERATORS)}, got {accelerator!r}{hint}")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    wanted = [{"gpu": "cuda"}.get(accelerator, accelerator)] if accelerator != "auto" else ["cuda", "mps"]
    for kind in wanted:
        if present.get(kind):
            return torch.device(kind)
    if accelerator not in ("auto", "cpu"):
        logger.warning("accelerator %r is not available here; using the CPU", accelerator)
    return torch.device("cpu")


def _limit(given: Mapping[str, Any], key: str, default: int | None) -> int | None:
    value = given.get(key, default)
    if value is None:
        return None
    if not _is_int(value):
        raise ConfigError(f"{key} must be an integer, got {value!r}")
    return value if value > 0 else None


def _count(given: Mapping[str, Any], key: str, default: int) -> int:
    value = given.get(key, default)
    if not _is_int(value) or value < 1:
        raise ConfigError(f"{key} must be an integer of at least 1, got {value!r}")
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
