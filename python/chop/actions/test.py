"""``ch test``: loss, accuracy and confusion matrix on the test rows."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate
from torch import Tensor, nn

from chop.actions.pictures import save_picture
from chop.tools.atomic_write import atomic_write
from chop.tools.checkpoint_load import load_model
from chop.tools.errors import ConfigError
from chop.tools.writer import write_line
from chop.training.scores import evaluate
from chop.training.trainer_args import TrainerArgs


def test(
    model: nn.Module,
    model_info: Any,
    data_module: Any,
    dataset_info: Any,
    task: str,
    optimizer: str = "adam",
    learning_rate: float = 1e-5,
    weight_decay: float = 0.0,
    plt_trainer_args: Mapping[str, Any] | None = None,
    auto_requeue: bool = False,
    save_path: str | os.PathLike[str] | None = None,
    visualizer: Any = None,
    load_name: str | os.PathLike[str] | None = None,
    load_type: str | None = None,
) -> dict[str, Any]:
    """Score a classifier on the test split and print one line and the confusion matrix.

    Args:
        model: scored in evaluation mode, in which it stays.
        data_module: gives the test batches. dataset_info: needs num_classes.
        task: "cls" or "classification".
        plt_trainer_args: only accelerator matters.
        save_path: folder for ``confusion_matrix.csv`` and (with matplotlib) ``confusion_matrix.png``; None: no files.
        load_name, load_type: weights to load first; None: the type is found in the file.
        model_info, optimizer, learning_rate, weight_decay, auto_requeue, visualizer: MASE's interface.

    Returns:
        test_loss_epoch (mean over the rows), test_acc_epoch (macro over the classes), test_acc_micro, rows and
        confusion (int64 ``[classes, classes]``: rows of class i that were taken for class j).
    """
    if task not in ("cls", "classification"):
        raise ConfigError(f"task: testing serves 'cls' ('classification'), got {task!r}")
    device = TrainerArgs.parse(plt_trainer_args).device
    if load_name is not None:
        load_model(load_name, load_type, model)
    data_module.prepare_data()
    data_module.setup()
    score = evaluate(model.to(device), data_module.test_dataloader(), int(dataset_info.num_classes), device)
    write_line(
        f"test: accuracy {score.accuracy:.4f} (macro), {score.accuracy_micro:.4f} (micro), "
        f"loss {score.loss:.4f}, {score.rows} rows of {data_module.describe()}"
    )
    names = _class_names(data_module, len(score.confusion))
    write_line(_table(score.confusion, names))
    if save_path is not None:
        _save(score.confusion, names, Path(save_path))
    return {
        "test_loss_epoch": score.loss,
        "test_acc_epoch": score.accuracy,
        "test_acc_micro": score.accuracy_micro,
        "rows": score.rows,
        "confusion": score.confusion,
    }


def _class_names(data_module: Any, classes: int) -> list[str]:
    order = getattr(data_module, "class_order", None) or ()
    return list(order) if len(order) == classes else [str(label) for label in range(classes)]


def _table(confusion: Tensor, names: Sequence[str]) -> str:
    """Rows are labels, columns predictions; the last column is the share of a label's rows that is right."""
    rows = []
    for label, counts in enumerate(confusion.tolist()):
        share = f"{counts[label] / sum(counts):.1%}" if sum(counts) else "-"
        rows.append([names[label], *counts, share])
    return tabulate(rows, headers=["label \\ predicted", *names, "right"], tablefmt="simple")


def _save(confusion: Tensor, names: Sequence[str], folder: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", *names])
    writer.writerows([name, *counts] for name, counts in zip(names, confusion.tolist(), strict=True))
    atomic_write(folder / "confusion_matrix.csv", text.getvalue())
    save_picture("confusion_matrix", confusion, folder / "confusion_matrix.png", classes=names)


vars(test)["__test__"] = False  # pytest collects functions of this name
