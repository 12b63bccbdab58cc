"""The figures of each epoch, the best one, and their CSV file."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError
from chop.training.scores import Score

#: column of metrics.csv -> name of the figure in results, TensorBoard and checkpoints
COLUMNS = {
    "epoch": "epoch",
    "step": "step",
    "learning_rate": "learning_rate",
    "train_loss": "train_loss_epoch",
    "train_acc": "train_acc_epoch",
    "train_loss_step": "train_loss_step",
    "train_acc_step": "train_acc_step",
    "val_loss": "val_loss_epoch",
    "val_acc": "val_acc_epoch",
    "val_acc_micro": "val_acc_micro",
}
_WHOLE = ("epoch", "step")
Row = dict[str, Any]


class History:
    """Rows of finished epochs.

    Attributes:
        rows: one a finished epoch: figure -> value, as ``COLUMNS`` lists them; those of validation may be absent.
        best_epoch, best_loss: of the lowest validation loss; -1 and infinity before the first epoch.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.best_epoch = -1
        self.best_loss = float("inf")

    def add(self, row: Row) -> bool:
        """Add the row of an epoch; return whether it is the best so far."""
        self.rows.append(row)
        loss = row.get("val_loss_epoch", float("inf"))
        if self.best_epoch >= 0 and not loss < self.best_loss:
            return False
        self.best_epoch, self.best_loss = int(row["epoch"]), float("inf") if math.isnan(loss) else float(loss)
        return True

    def out_of_patience(self, patience: int | None) -> bool:
        """Whether so many epochs have passed since the best one."""
        return (
            patience is not None and bool(self.rows) and self.rows[-1]["epoch"] - self.best_epoch >= patience
        )

    def write(self, path: Path) -> None:
        """Write metrics.csv; numbers in the shortest form that reads back as themselves."""
        text = io.StringIO()
        names = {name: key for name, key in COLUMNS.items() if not self.rows or key in self.rows[0]}
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row[key] for key in names.values()] for row in self.rows)
        atomic_write(path, text.getvalue())

    @classmethod
    def resumed(cls, path: Path, checkpoint: dict[str, Any]) -> History:
        """Read the rows up to the checkpoint's epoch, whose own row and best figures the checkpoint has.

        Raises:
            ConfigError: the file is damaged.
        """
        history = cls()
        last = int(checkpoint["epoch"])
        if path.is_file():
            history.rows = [row for row in _read(path) if row.get("epoch", last) < last]
        history.rows.append(dict(checkpoint["chop_scores"]))
        best = checkpoint["chop_run"]["best"]
        history.best_epoch, history.best_loss = int(best["epoch"]), float(best["loss"])
        for row in history.rows[:-1]:
            if row["epoch"] == history.best_epoch and row.get("val_loss_epoch") not in (None, best["loss"]):
                raise ConfigError(
                    f"resume: the best loss of the checkpoint, {best['loss']!r}, is not that of epoch {best['epoch']} "
                    f"in {path}; without that file the run goes on too"
                )
        return history


def row_of(
    epoch: int, step: int, rate: float, learned: Score, last: tuple[float, float], checked: Score | None
) -> Row:
    """Make the row of an epoch; ``last`` is loss and accuracy of its last batch."""
    row: Row = {
        "epoch": epoch,
        "step": step,
        "learning_rate": rate,
        "train_loss_epoch": learned.loss,
        "train_acc_epoch": learned.accuracy,
        "train_loss_step": last[0],
        "train_acc_step": last[1],
    }
    if checked is not None:
        row |= {
            "val_loss_epoch": checked.loss,
            "val_acc_epoch": checked.accuracy,
            "val_acc_micro": checked.accuracy_micro,
        }
    return row


def _read(path: Path) -> list[Row]:
    try:
        with path.open(newline="") as file:
            return [
                {COLUMNS[name]: _number(name, text) for name, text in row.items() if name in COLUMNS}
                for row in csv.DictReader(file)
            ]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"resume: {path} is damaged ({error}); without it the run goes on too") from None


def _number(name: str, text: str) -> float:
    return int(text) if name in _WHOLE else float(text)
