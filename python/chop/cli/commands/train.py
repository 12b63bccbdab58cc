"""``ch train``: from options to the arguments of the action, of a grid, or of learned widths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.cli.learned_run import learn
from chop.cli.options import Options
from chop.cli.parts import Parts, build_model
from chop.pool import Source
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from torch import nn

logger = get_logger(__name__)
CHANCE_FACTOR = 1.1  # a training this close to guessing gets a hint


def run_train(options: Options, parts: Parts, software: Path) -> dict[str, Any]:
    """Run the training, the grid or the learning of widths, and return its main figures."""
    if options.learn_widths is not None:
        learn(options, parts, software / "learned")
        return {}
    if options.grid is not None:
        _grid(options, parts, software / "grid")
        return {}
    return _train(options, parts, software)


def check_training(options: Options, parts: Parts, software: Path) -> None:
    """Refuse what a training would refuse, while nothing is written yet; raises as the actions do."""
    if options.learn_widths is not None:
        learn(options, parts, software / "learned", validate_only=True)
    elif options.grid is not None:
        _run_grid(options, parts, software / "grid", validate_only=True)
    else:
        _train(options, parts, software, validate_only=True)


def _train(options: Options, parts: Parts, software: Path, validate_only: bool = False) -> dict[str, Any]:
    from chop.actions.train import train
    from chop.training.loggers import check_logger, epoch_logger

    folder = software / "training_ckpts"
    last = folder / "last.ckpt"
    if options.resume and not last.is_file() and not validate_only:
        logger.info("nothing to resume: there is no %s; training begins", last)
    check_logger(options.report_to)
    facts = {**_method(options), "model": options.model, "dataset": options.dataset}
    logs = software / "tensorboard" if options.report_to == "tensorboard" else None
    told = "csv" if validate_only else options.report_to
    with epoch_logger(told, software, software.parent.name, facts) as callbacks:
        result = train(
            **parts.keywords(),
            **_method(options),
            plt_trainer_args=_trainer_args(options, parts.accelerator),
            auto_requeue=options.is_to_auto_requeue,
            save_path=folder,
            visualizer=logs,
            resume=last if options.resume and last.is_file() else None,
            validate_only=validate_only,
            callbacks=callbacks,
        )
    if validate_only:
        return {}
    _hint_at_chance(result["val_acc_epoch"], int(parts.dataset_info.num_classes), options)
    return {name: result[name] for name in ("val_acc_epoch", "val_loss_epoch", "epochs")}


def _hint_at_chance(accuracy: float, classes: int, options: Options) -> None:
    """Say so where a training learned nothing: the default learning rate, MASE's, is a common reason."""
    if classes > 1 and accuracy <= CHANCE_FACTOR / classes:
        logger.warning(
            "validation accuracy %.3f is about that of guessing among %d classes (%.3f): try --learning-rate 1e-3 or "
            "1e-2 (it was %g), or more --max-epochs (%d)",
            accuracy, classes, 1 / classes, options.learning_rate, options.max_epochs,
        )  # fmt: skip


def _method(options: Options) -> dict[str, Any]:
    """What one run and each run of a grid are told alike."""
    return {
        "optimizer": options.training_optimizer,
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "momentum": options.momentum,
        "nesterov": options.nesterov,
        "lr_scheduler": options.lr_scheduler,
        "straight_through": options.straight_through,
        "engine": options.engine,
        "seed": options.seed,
    }


def _trainer_args(options: Options, accelerator: str) -> dict[str, Any]:
    return {
        "devices": options.num_devices,
        "num_nodes": options.num_nodes,
        "accelerator": accelerator,
        "strategy": options.strategy,
        "precision": options.trainer_precision,
        "max_epochs": options.max_epochs,
        "max_steps": options.max_steps,
        "fast_dev_run": options.to_debug,
        "accumulate_grad_batches": options.accumulate_grad_batches,
        "log_every_n_steps": options.log_every_n_steps,
        "early_stopping_patience": options.early_stopping_patience,
        "gradient_clip_val": options.gradient_clip_val,
        "gradient_clip_algorithm": options.gradient_clip_algorithm,
    }


def _grid(options: Options, parts: Parts, folder: Path) -> None:
    from tabulate import tabulate

    from chop.actions.pictures import save_picture
    from chop.tools.writer import write_line

    axes, found = _run_grid(options, parts, folder)
    shown = [*axes, "runs", "failed", "val_acc_mean", "val_acc_std", "train_acc_mean", "train_acc_std"]
    shown.append("seconds_an_epoch_mean")
    rows = [[line[name] for name in shown] for line in found.summary]
    write_line(tabulate(rows, headers=shown, floatfmt=".4g"))
    if any(len(values) > 1 for values in axes.values()) and any(line["runs"] for line in found.summary):
        save_picture("grid", folder / "grid.csv", folder / "grid.png", value="val_acc", options=list(axes))


def _run_grid(
    options: Options, parts: Parts, folder: Path, validate_only: bool = False
) -> tuple[dict[str, list[Any]], Any]:
    """The axes, and what the grid came to."""
    from chop.training import grid
    from chop.training.axes import parse_axes

    def build() -> nn.Module:
        return build_model("train", options, parts.dataset_info)

    axes = parse_axes(options.grid or [])
    source = None if parts.source is None else Source("chop.cli.rebuild:build_for_grid", parts.source.options)
    return axes, grid(
        build,
        parts.data_module,
        axes,
        classes=int(parts.dataset_info.num_classes),
        repeats=options.repeats,
        workers=options.workers,
        cluster=options.cluster,
        source=source,
        trainer_args=_trainer_args(options, parts.accelerator),
        save_path=folder,
        model_info=parts.model_info,
        validate_only=validate_only,
        **_method(options),
    )
