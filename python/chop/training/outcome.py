"""When a run is over, and what it returns."""

from __future__ import annotations

from typing import Any

from chop.training.history import History
from chop.training.plan import Job
from chop.training.saver import BEST, LAST, METRICS
from chop.training.trainer_args import TrainerArgs

_FIGURES = (
    "train_loss_epoch",
    "train_acc_epoch",
    "train_loss_step",
    "train_acc_step",
    "val_loss_epoch",
    "val_acc_epoch",
    "val_acc_micro",
)


def finished(limits: TrainerArgs, history: History, step: int, epochs: int) -> bool:
    """Whether nothing is left to train: the limits are reached, or the patience has run out."""
    done = history.rows[-1]["epoch"] + 1 if history.rows else 0
    at_the_limit = limits.max_steps is not None and step >= limits.max_steps
    return at_the_limit or done >= epochs or history.out_of_patience(limits.early_stopping_patience)


def outcome(job: Job, history: History, engine: str) -> dict[str, Any]:
    """The result of a run from its figures."""
    row, folder = history.rows[-1], job.folder
    return {
        "epochs": row["epoch"] + 1,
        "global_step": row["step"],
        **{name: row[name] for name in _FIGURES if name in row},
        "best_val_loss": history.best_loss,
        "best_epoch": history.best_epoch,
        "stopped_early": job.was_ended or history.out_of_patience(job.plan.limits.early_stopping_patience),
        "engine": engine,
        "best": folder / BEST if folder else None,
        "last": folder / LAST if folder else None,
        "metrics": folder / METRICS if folder else None,
    }


def run_facts(engine: str, job: Job, history: History, optimizers: list[dict[str, Any]]) -> dict[str, Any]:
    """What a checkpoint keeps of its run; ``optimizers`` are the states that lie beside."""
    best = {"epoch": history.best_epoch, "loss": history.best_loss}
    facts = {"engine": engine, "plan": job.plan.identity(), "rows": job.data.digest(), "best": best}
    return facts | {"trained": [len(state["state"]) for state in optimizers]}
