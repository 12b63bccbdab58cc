"""What decides a training run: the plan, and the job that carries it with model, data and places."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from chop.ir.graph.mase_graph import MaseGraph
from chop.nn.quantizers.straight_through import check_straight_through
from chop.plt_wrapper.optimizers import make_optimizer
from chop.plt_wrapper.schedules import Schedule
from chop.tools.errors import ConfigError
from chop.training.data import TrainingData
from chop.training.trainer_args import TrainerArgs

#: takes the figures of an epoch; True: no further one
EpochEnd = Callable[[dict[str, Any]], Any]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything but model and data that the trained weights depend on.

    Attributes:
        limits: how long and where.
        batch_size: rows of a batch.
        classes: number of labels.
        optimizer, learning_rate, weight_decay, momentum, nesterov: see :func:`make_optimizer`.
        schedule: how the rate falls.
        straight_through: gradient of quantizers, "plain" or "clipped".
        seed: of the order of the rows.
    """

    limits: TrainerArgs
    batch_size: int
    classes: int
    optimizer: str = "adam"
    learning_rate: float = 1e-5
    weight_decay: float = 0.0
    momentum: float | None = None
    nesterov: bool | None = None
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    straight_through: str = "plain"
    seed: int = 0

    def __post_init__(self) -> None:
        check_straight_through(self.straight_through)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        """The optimizer over a model's parameters; raises as :func:`make_optimizer` does."""
        return make_optimizer(
            self.optimizer, model, self.learning_rate, self.weight_decay, self.momentum, self.nesterov
        )

    def schedule_length(self, batches: int) -> int:
        """Intervals of the schedule, for so many batches in an epoch."""
        epochs = self.limits.epochs(batches)
        if self.schedule.interval == "epoch":
            return epochs
        steps = epochs * -(-batches // self.limits.accumulate_grad_batches)
        return min(steps, self.limits.max_steps or steps)

    def identity(self) -> dict[str, Any]:
        """What a run that goes on must have in common with its beginning, in JSON's types."""
        values = dataclasses.asdict(self)
        limits = values.pop("limits")
        limits["device"] = limits["device"].type
        for key in ("log_every_n_steps", "early_stopping_patience"):
            del limits[key]
        schedule = values.pop("schedule")
        return {"lr_scheduler": schedule.pop("name"), **schedule, **values, **limits}


@dataclasses.dataclass
class Job:
    """One training run.

    Attributes:
        model: trained in place.
        plan: how.
        data: the rows.
        folder: receives checkpoints and metrics.csv; None writes nothing.
        logs: folder for TensorBoard; None: no logs.
        resume: a last.ckpt to go on from.
        checkpoint: its content.
        bar: whether to show a progress bar.
        validate: whether to score the validation rows after each epoch.
        halt: set by another thread to end the run with KeyboardInterrupt.
        model_info: chooses the Lightning wrapper; None: the one for rows.
        graph: of ``model``, where it is traced already.
        callbacks: called with the figures of each finished epoch; True ends the run after it.
        was_ended: whether one of them did.
    """

    model: nn.Module
    plan: Plan
    data: TrainingData
    folder: Path | None = None
    logs: Path | None = None
    resume: Path | None = None
    checkpoint: dict[str, Any] | None = None
    bar: bool = True
    validate: bool = True
    halt: threading.Event | None = None
    model_info: Any = None
    graph: MaseGraph | None = None
    callbacks: Sequence[EpochEnd] = ()
    was_ended: bool = False

    def ends_after(self, row: Mapping[str, Any]) -> bool:
        """Tell all callbacks of an epoch; return whether one of them wants no further one."""
        ends = [call(dict(row)) is True for call in self.callbacks]  # all are told, whatever one says
        self.was_ended = self.was_ended or any(ends)
        return self.was_ended

    @property
    def traced(self) -> nn.Module | MaseGraph:
        """The graph, or the model for whoever has to trace it."""
        return self.model if self.graph is None else self.graph

    def check_resumed(self, engine: str) -> None:
        """Compare the plan with that of the checkpoint.

        Raises:
            ConfigError: another engine, other rows, or a value that differs.
        """
        if self.checkpoint is None:
            return
        before = self.checkpoint["chop_run"]
        if before["engine"] != engine:
            raise ConfigError(
                f"resume: {self.resume} was written by engine {before['engine']!r}, not {engine!r}"
            )
        free = {"max_epochs"} if self.plan.schedule.name == "constant" else set()
        for key, value in self.plan.identity().items():
            old = before["plan"].get(key)
            if key not in free and value != old:
                raise ConfigError(f"resume: {self.resume} was trained with {key} {old!r}, got {value!r}")
        if before["rows"] != self.data.digest():
            raise ConfigError(f"resume: {self.resume} was trained on other rows")
