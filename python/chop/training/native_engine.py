"""Engine ``native``: the trainer of the C++ core, on the CPU, for graphs that it knows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer
from tqdm.auto import tqdm

from chop.ir.graph.tracing import TRACING
from chop.tools.errors import ConfigError
from chop.training.checkpoints import checkpoint_content, weights_of
from chop.training.history import History, Row, row_of
from chop.training.order import epoch_order
from chop.training.outcome import finished, outcome, run_facts
from chop.training.plan import Job
from chop.training.saver import Saver
from chop.training.scalar_log import ScalarLog
from chop.training.scores import Score, macro_accuracy, mean_loss

if TYPE_CHECKING:
    from chop.training.native import Epoch

_DTYPES = {"32-true": "float32", "64-true": "float64"}
_LOOK_EVERY = 0.1  # seconds of work between two looks at the bar and at whoever wants to stop the run


class NativeEngine:
    """Trains in C++ with resident data; float32 (or float64), the same result for any number of threads."""

    name = "native"

    def why_not(self, job: Job) -> str | None:
        """Return why the core cannot run the job, or None."""
        limits = job.plan.limits
        if limits.device.type != "cpu":
            return f"the device is {limits.device.type}, and the core computes on the CPU"
        if limits.precision not in _DTYPES:
            return f"the precision is {limits.precision}, and the core has 32 and 64"
        try:
            optimizer = job.plan.make_optimizer(job.model)
        except ConfigError:
            return None  # whoever trains says it
        if trainer_options(optimizer) is None:
            return f"the core has no optimizer {job.plan.optimizer!r}"
        if odd := [p.dtype for p in job.model.parameters() if p.dtype not in (torch.float32, torch.float64)]:
            return f"the model has weights of {odd[0]}, and the core computes in 32 or 64 bits"
        rows = job.data.rows("train")
        if rows is None:
            return "the data module does not hold its rows in memory (it has no method arrays)"
        if rows[1].ndim != 1 or rows[1].is_floating_point():
            return "the labels are no class indices"
        from chop.training.native import NativeTrainer

        with TRACING:
            return NativeTrainer.why_not(job.traced, tuple(rows[0].shape[1:]))

    def fit(self, job: Job) -> dict[str, Any]:
        """Train the model in place; see :func:`chop.actions.train`."""
        with _refusals():
            with TRACING:
                run = _Run(job)
            with run.closing():
                return run.fit()


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What the core refuses (a label that is no class, a batch of one row for batch norm) is the user's to mend."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def trainer_options(optimizer: Optimizer) -> dict[str, Any] | None:
    """The options of ``NativeTrainer`` that make it step as ``optimizer`` does; None if none do.

    >>> trainer_options(SGD([torch.zeros(1)], lr=0.1, momentum=0.9))
    {'optimizer': 'sgd', 'weight_decay': 0, 'momentum': 0.9, 'nesterov': False}
    """
    if len(optimizer.param_groups) != 1:
        return None
    group = optimizer.param_groups[0]
    kind = {Adam: "adam", AdamW: "adamw", SGD: "sgd"}.get(type(optimizer))
    if kind == "adam" and group.get("decoupled_weight_decay"):
        kind = "adamw"
    if kind is None or group.get("maximize") or group.get("amsgrad") or group.get("dampening"):
        return None
    names = ("momentum", "nesterov") if kind == "sgd" else ("betas", "eps")
    return {"optimizer": kind, "weight_decay": group["weight_decay"], **{name: group[name] for name in names}}


class _Run:
    # One training run: the trainer with its schedule, figures and files.

    def __init__(self, job: Job) -> None:
        from chop.training.native import NativeTrainer

        plan, limits = job.plan, job.plan.limits
        self.job, self.plan = job, plan
        optimizer = plan.make_optimizer(job.model)
        rows, checked = job.data.rows("train"), job.data.rows("val") if job.validate else None
        assert rows is not None
        self.rows = len(rows[1])
        self.checked = checked
        self.batches = -(-self.rows // plan.batch_size)
        self.optimizer = optimizer
        self.trainer = NativeTrainer(
            job.traced,
            *rows,
            **(trainer_options(optimizer) or {}),
            gradient_clip_val=limits.gradient_clip_val,
            gradient_clip_algorithm=limits.gradient_clip_algorithm,
            straight_through=plan.straight_through,
            dtype=_DTYPES[limits.precision],
        )
        # The scheduler is torch's own, on an optimizer that has nothing to do.
        self.clock = SGD([torch.zeros(1)], lr=plan.learning_rate)
        self.schedule = plan.schedule.make(self.clock, plan.schedule_length(self.batches))
        self.clock.step()  # once, or torch warns; without gradients it changes nothing
        self.history, self.step, self.begun = History(), 0, 0
        if job.checkpoint is not None:
            self._resume(job.checkpoint)
        self.saver = Saver(job.folder, self.history)
        self.log = ScalarLog(job.logs, limits.log_every_n_steps)
        self.bar = tqdm(
            total=limits.epochs(self.batches) * self.batches,
            initial=self.begun * self.batches,
            desc="Training",
            unit="batch",
            disable=not job.bar,
        )
        self.epoch = self.begun
        self.pace = 64  # steps that take about _LOOK_EVERY

    def _resume(self, content: dict[str, Any]) -> None:
        self.trainer.load_state_dict(weights_of(content))
        self.trainer.load_optimizer_state_dict(content["optimizer_states"][0])
        self.schedule.load_state_dict(content["lr_schedulers"][0])
        self.clock.param_groups[0]["lr"] = self.schedule.get_last_lr()[0]
        assert self.job.folder is not None
        self.history = History.resumed(self.job.folder / "metrics.csv", content)
        self.step, self.begun = int(content["global_step"]), int(content["epoch"]) + 1

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Whatever happens: what the last epoch left goes to the disk."""
        with contextlib.ExitStack() as last:  # the bar closes even where the disk is full
            last.callback(self.bar.close)
            last.callback(self.log.close)
            last.callback(self.saver.flush)
            yield

    def fit(self) -> dict[str, Any]:
        epochs = self.plan.limits.epochs(self.batches)
        for epoch in range(self.begun, epochs):
            if finished(self.plan.limits, self.history, self.step, epochs):
                break
            self.epoch = epoch
            self.bar.set_description(f"Epoch {epoch + 1}/{epochs}")
            row = self._epoch(epoch)
            best = self.history.add(row)
            self.saver.offer(self._content, best)
            self._tell(row)
            if self.job.ends_after(row):
                break
        self.saver.flush()
        self.trainer.write_back(self.job.model)
        return outcome(self.job, self.history, "native")

    def _epoch(self, epoch: int) -> Row:
        rate = self.clock.param_groups[0]["lr"]
        learned, last = self._learn(epoch_order(self.plan.seed, epoch, self.rows))
        checked = None
        if self.checked is not None:
            found = self.trainer.evaluate(*self.checked)
            checked = Score.of(found.loss, found.confusion)
        if self.plan.schedule.interval == "epoch":
            self.schedule.step()
        return row_of(epoch, self.step, rate, learned, last, checked)

    def _learn(self, order: Tensor) -> tuple[Score, tuple[float, float]]:
        """Train on all rows; return the epoch's score, and loss and accuracy of its last batch."""
        accumulate, row, parts = self.plan.limits.accumulate_grad_batches, 0, []
        while row < self.rows and not self._at_the_limit():
            began = time.perf_counter()
            batches = self._batches_to_look(row)
            part = self._train(order, row, batches)
            taken = time.perf_counter() - began
            # Only whole chunks tell the pace.
            if batches == self.pace * accumulate and taken > 0:
                self.pace = max(1, min(2 * self.pace, int(self.pace * _LOOK_EVERY / taken)))
            steps = row // self.plan.batch_size % accumulate + part.steps
            row = part.next_row
            steps = steps // accumulate if row < self.rows else -(-steps // accumulate)
            self.step += steps
            parts.append(part)
            self._show(part, logged=steps > 0)
        sizes = [self.plan.batch_size] * sum(part.steps for part in parts)
        if row >= self.rows:
            sizes[-1] = self.rows - (self.batches - 1) * self.plan.batch_size
        losses = torch.cat([part.losses for part in parts])
        score = Score.of(mean_loss(losses, sizes), torch.stack([part.confusion for part in parts]).sum(0))
        return score, (float(losses[-1]), macro_accuracy(parts[-1].confusion))

    def _train(self, order: Tensor, row: int, batches: int) -> Epoch:
        from chop.training.native import NonFiniteLossError

        limits = self.plan.limits
        try:
            part = self.trainer.epoch(
                self.plan.batch_size,
                self._rates(row // self.plan.batch_size, batches),
                order,
                accumulate=limits.accumulate_grad_batches,
                first_row=row,
                max_steps=batches,
            )
        except NonFiniteLossError as error:
            begun = row // self.plan.batch_size % limits.accumulate_grad_batches
            step = self.step + (begun + error.step) // limits.accumulate_grad_batches
            raise RuntimeError(
                f"training stopped: the loss is not finite after {step} steps; a lower learning rate may help"
            ) from error
        if part.stopped or (self.job.halt is not None and self.job.halt.is_set()):
            raise KeyboardInterrupt
        return part

    def _rates(self, first: int, batches: int) -> float | list[float]:
        """The rate of the next batches, or where it changes each step that of each update; the schedule goes on."""
        rate: float = self.clock.param_groups[0]["lr"]
        if self.plan.schedule.interval != "step":
            return rate
        accumulate, last = self.plan.limits.accumulate_grad_batches, first + batches
        updates = (
            -(-last // accumulate) if last == self.batches else last // accumulate
        ) - first // accumulate
        rates = []
        for _ in range(updates):
            rates.append(float(self.clock.param_groups[0]["lr"]))
            self.schedule.step()
        return rates or rate

    def _batches_to_look(self, row: int) -> int:
        """Batches of the next chunk; the last one of an epoch, and of a step that is logged, make one of their own."""
        accumulate, done = self.plan.limits.accumulate_grad_batches, row // self.plan.batch_size
        begun, left = done % accumulate, self.batches - done
        if self.plan.limits.max_steps is not None:
            left = min(left, (self.plan.limits.max_steps - self.step) * accumulate - begun)
        steps = 1 if begun else self.pace
        if self.log.active:
            steps = min(steps, max(1, self.log.steps_before_next(self.step)))
        batches = min(steps * accumulate - begun, left)
        alone = batches == left or (self.log.active and self.log.steps_before_next(self.step) == 0)
        return max(1, batches - 1) if alone else batches

    def _at_the_limit(self) -> bool:
        return self.plan.limits.max_steps is not None and self.step >= self.plan.limits.max_steps

    def _show(self, part: Epoch, logged: bool) -> None:
        if logged and self.log.active and self.step % self.log.every == 0:
            figures = {
                "train_loss_step": float(part.losses[-1]),
                "train_acc_step": macro_accuracy(part.confusion),
            }
            self.log.add(figures | {"epoch": self.epoch}, self.step - 1)
        if self.job.bar:
            self.bar.set_postfix(
                loss=f"{float(part.losses[-1]):.4f}", acc=f"{part.accuracy:.4f}", refresh=False
            )
            self.bar.update(part.steps)

    def _tell(self, row: Row) -> None:
        shown = {"loss": "train_loss_epoch", "acc": "train_acc_epoch", "val_loss": "val_loss_epoch"}
        shown |= {"val_acc": "val_acc_epoch"}
        self.bar.set_postfix({name: f"{row[key]:.4f}" for name, key in shown.items() if key in row})
        figures = {key: value for key, value in row.items() if key.endswith("_epoch") or key == "epoch"}
        self.log.add(figures, self.step - 1)

    def _content(self) -> dict[str, Any]:
        state = self.trainer.optimizer_state_dict()
        for group in state["param_groups"]:
            group["lr"] = self.clock.param_groups[0]["lr"]
            group.setdefault("initial_lr", self.plan.learning_rate)
        facts = run_facts("native", self.job, self.history, [state])
        weights, schedule = self.trainer.state_dict(exact=True), self.schedule.state_dict()
        return checkpoint_content(weights, state, schedule, self.history.rows[-1], facts, self.batches)
