"""The trainer's arguments, read from the dict that MASE passes to Lightning."""

from __future__ import annotations

import math
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
_UNUSED = ("devices", "num_nodes", "strategy")
_CLIPPING = ("norm", "value")
_PRECISIONS = ("16-mixed", "32", "64", "bf16", "bf16-mixed", "16-true", "32-true", "64-true", "bf16-true")


_KNOWN = (
    "max_epochs",
    "max_steps",
    "accumulate_grad_batches",
    "log_every_n_steps",
    "accelerator",
    "precision",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "early_stopping_patience",
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
        precision: Lightning's word: "32-true", "64-true", "16-mixed", …
        gradient_clip_val: largest norm of all gradients together, or largest absolute value of one; None: no limit.
        gradient_clip_algorithm: "norm" or "value".
        early_stopping_patience: epochs without a lower validation loss after which training ends; None: never.
    """

    max_epochs: int | None
    max_steps: int | None
    accumulate_grad_batches: int
    log_every_n_steps: int
    device: torch.device
    precision: str = "32-true"
    gradient_clip_val: float | None = None
    gradient_clip_algorithm: str = "norm"
    early_stopping_patience: int | None = None

    @classmethod
    def parse(cls, args: Mapping[str, Any] | None) -> TrainerArgs:
        """Read MASE's ``plt_trainer_args``.

        Numbers that are None or not positive mean "no limit" for max_epochs, max_steps and gradient_clip_val.
        Training uses one device, so devices, num_nodes and strategy have no effect; the CPU has no 16-bit floats
        worth the name, so "16-mixed" means 32 there. ``fast_dev_run`` stops after one step.

        Raises:
            ConfigError: an unknown key, or a value that is not allowed.

        >>> TrainerArgs.parse({"max_epochs": 3, "accelerator": "cpu", "precision": "16-mixed"}).precision
        '32-true'
        """
        given = dict(args or {})
        for key in given:
            if key not in _KNOWN:
                raise ConfigError(f"plt_trainer_args.{key} is not known{did_you_mean(key, _KNOWN)}")
        epochs = _limit(given, "max_epochs", 20)
        steps = 1 if given.get("fast_dev_run") else _limit(given, "max_steps", None)
        if epochs is None and steps is None:
            raise ConfigError("plt_trainer_args: max_epochs or max_steps must be at least 1")
        device = pick_device(given.get("accelerator", "auto"))
        return cls(
            epochs,
            steps,
            _count(given, "accumulate_grad_batches", 1),
            _count(given, "log_every_n_steps", 50),
            device,
            _precision(given.get("precision"), device),
            _clip_value(given.get("gradient_clip_val")),
            _word(given, "gradient_clip_algorithm", _CLIPPING),
            _limit(given, "early_stopping_patience", None),
        )

    def epochs(self, batches: int) -> int:
        """Epochs that the limits allow, for so many batches in one."""
        steps_an_epoch = max(-(-batches // self.accumulate_grad_batches), 1)
        by_steps = None if self.max_steps is None else -(-self.max_steps // steps_an_epoch)
        return self.max_epochs if self.max_epochs is not None else by_steps or 1


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


def _precision(value: Any, device: torch.device) -> str:
    if value is None:
        return "32-true"
    text = str(value)
    if isinstance(value, bool) or text not in _PRECISIONS:
        hint = did_you_mean(text, _PRECISIONS)
        raise ConfigError(f"precision must be one of {', '.join(_PRECISIONS)}, got {value!r}{hint}")
    if text.startswith("16") and device.type == "cpu":
        return "32-true"
    return f"{text}-true" if text in ("32", "64") else "bf16-mixed" if text == "bf16" else text


def _clip_value(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigError(f"gradient_clip_val must be a number, got {value!r}")
    return float(value) if value > 0 else None


def _word(given: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = given.get(key)
    if value is None:
        return allowed[0]
    if value not in allowed:
        hint = did_you_mean(str(value), allowed)
        raise ConfigError(f"{key} must be one of {', '.join(allowed)}, got {value!r}{hint}")
    return str(value)


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
