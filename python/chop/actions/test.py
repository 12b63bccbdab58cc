"""``ch test``: loss and accuracy on the test rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from torch import nn

from chop.actions.trainer_args import TrainerArgs
from chop.actions.training_loop import evaluate
from chop.tools.checkpoint_load import load_model
from chop.tools.errors import ConfigError
from chop.tools.writer import write_line


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
    load_type: str = "mz",
) -> dict[str, Any]:
    """Score a classifier on the test split and print one line.

    Args:
        model: scored in evaluation mode, in which it stays.
        data_module: gives the test batches. dataset_info: needs num_classes.
        task: "cls" or "classification".
        plt_trainer_args: only accelerator matters.
        load_name, load_type: weights to load first.
        model_info, optimizer, learning_rate, weight_decay, auto_requeue, save_path, visualizer: MASE's
            interface.

    Returns:
        test_loss_epoch (mean over the rows), test_acc_epoch (macro over the classes), test_acc_micro, rows.
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
    return {
        "test_loss_epoch": score.loss,
        "test_acc_epoch": score.accuracy,
        "test_acc_micro": score.accuracy_micro,
        "rows": score.rows,
    }


vars(test)["__test__"] = False  # pytest collects functions of this name
