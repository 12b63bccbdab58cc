"""What chop adds to Lightning's Trainer; importing this file imports lightning."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import TQDMProgressBar

from chop.training.history import History, row_of
from chop.training.order import derive_seed
from chop.training.outcome import run_facts
from chop.training.plan import Job
from chop.training.saver import METRICS
from chop.training.scores import Score, Tally, confusion_of, evaluate, macro_accuracy


class Record(lightning.Callback):
    """Keeps the figures of each epoch, writes metrics.csv, and adds the run's facts to checkpoints.

    Random layers draw from a stream that the seed and the epoch's number decide, so a resumed run needs no state.
    """

    def __init__(self, job: Job, history: History) -> None:
        self._job = job
        self._history = history
        self._learned = Tally(job.plan.classes)
        self._checked: Tally | None = None
        self._last = (math.nan, math.nan)
        self._rate = math.nan
        self.interrupt: BaseException | None = None
        self.asked: Callable[[], None] | None = None  # raises what a signal that came asks for
        self.began = False  # what fails before that is the checkpoint's fault

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the figures of an epoch."""
        self.began = True
        self._learned, self._checked = Tally(self._job.plan.classes), None
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Seed what random layers draw; later than the epoch's start, when loaders may still draw seeds of theirs."""
        if batch_idx == 0:
            torch.manual_seed(derive_seed(self._job.plan.seed, "layers", trainer.current_epoch))

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch.

        Raises:
            RuntimeError: the loss is not finite any more. KeyboardInterrupt: another thread ends the run.
        """
        loss, logits = outputs["batch_loss"], outputs["logits"]
        self._learned.add(loss, logits, batch[1])
        last = batch_idx + 1 == trainer.num_training_batches
        if loss.device.type == "cpu" or last or batch_idx % trainer.log_every_n_steps == 0:
            value = loss.item()
            if not math.isfinite(value):
                raise RuntimeError(
                    f"training stopped: the loss is not finite after {trainer.global_step} steps; "
                    "a lower learning rate may help"
                )
            self._last = value, macro_accuracy(confusion_of(logits, batch[1], self._job.plan.classes).cpu())
        self._end_where_asked()

    def on_validation_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the figures of a validation."""
        self._checked = Tally(self._job.plan.classes)

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Count a batch."""
        assert self._checked is not None
        loss = torch.nn.functional.cross_entropy(outputs.float(), batch[1])
        self._checked.add(loss, outputs, batch[1])
        self._end_where_asked()

    def raise_asked(self) -> None:
        """Raise what a signal has asked for since."""
        asked, self.asked = self.asked, None
        if asked is not None:
            asked()

    def _end_where_asked(self) -> None:
        self.raise_asked()
        if self._job.halt is not None and self._job.halt.is_set():
            raise KeyboardInterrupt

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Complete the row of the epoch; the checkpoint comes after."""
        checked = None if self._checked is None else self._checked.score()
        if self._job.validate and checked is None:  # max_steps ended the epoch before its validation
            checked = self._validated(pl_module)
        row = row_of(
            trainer.current_epoch,
            trainer.global_step,
            self._rate,
            self._learned.score(),
            self._last,
            checked,
        )
        if checked is not None:
            # The figure that Lightning chooses the best epoch by.
            row["val_loss_epoch"] = float(trainer.callback_metrics["val_loss_epoch"])
        self._history.add(row)
        if self._job.folder is not None:
            self._history.write(self._job.folder / METRICS)
        pl_module.log("train_loss_epoch", row["train_loss_epoch"])
        pl_module.log("train_acc_epoch", row["train_acc_epoch"])
        if self._job.ends_after(row):
            trainer.should_stop = True

    def _validated(self, pl_module: Any) -> Score:
        model, classes = pl_module.model, self._job.plan.classes
        checked = evaluate(model, self._job.data.val_loader(), classes, pl_module.device)
        model.train()
        pl_module.log("val_loss_epoch", checked.loss)
        pl_module.log("val_acc_epoch", checked.accuracy)
        return checked

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Add the figures and the plan."""
        checkpoint["chop_scores"] = dict(self._history.rows[-1])
        checkpoint["chop_run"] = run_facts(
            "lightning", self._job, self._history, checkpoint["optimizer_states"]
        )

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Keep a Ctrl-C, of which Lightning makes an exit code."""
        if isinstance(exception, KeyboardInterrupt):
            self.interrupt = exception


def progress_bar() -> Any:
    """Lightning's bar, with loss and accuracy."""
    return TQDMProgressBar(leave=True)
