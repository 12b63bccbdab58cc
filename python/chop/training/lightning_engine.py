"""Engine ``lightning``: Lightning's Trainer around the wrapper classes, for every model and device.

Nothing of lightning is imported before a job is run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from chop.ir.graph.tracing import TRACING
from chop.nn.quantizers.straight_through import straight_through
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install
from chop.training.checkpoints import weights_of
from chop.training.history import History
from chop.training.outcome import finished, outcome
from chop.training.plan import Job
from chop.training.saver import BEST, METRICS
from chop.training.scalar_log import has_tensorboard
from chop.training.scores import one_thread

# What Lightning says about set-ups that are right here.
_QUIET = (
    r".*(does not have many workers|exists and is not empty|smaller than the logging interval|treespec).*"
)


class LightningEngine:
    """Trains with ``lightning.Trainer``: any torch model, on the CPU or a GPU."""

    name = "lightning"

    def why_not(self, job: Job) -> str | None:
        """Return why Lightning cannot run the job, or None."""
        missing = [name for name in ("lightning", "torchmetrics") if importlib.util.find_spec(name) is None]
        return _install_hint(" and ".join(missing)) if missing else None

    def fit(self, job: Job) -> dict[str, Any]:
        """Train the model in place; see :func:`chop.actions.train`."""
        history = History()
        if job.checkpoint is not None:
            assert job.folder is not None
            history = History.resumed(job.folder / METRICS, job.checkpoint)
        train_loader = job.data.train_loader(job.plan.seed)
        batches = len(train_loader)
        step = history.rows[-1]["step"] if history.rows else 0
        if finished(job.plan.limits, history, step, job.plan.limits.epochs(batches)):
            job.model.load_state_dict(weights_of(job.checkpoint or {}))
            return outcome(job, history, self.name)
        job.model.train()  # Lightning keeps each module's own mode
        # What it sets (seeds, logs) and calls (layers) belongs to all threads: one training at a time, and no tracing.
        with TRACING, _surroundings(job), tempfile.TemporaryDirectory() as scratch:
            wrapper = _wrapper(job, batches)
            trainer, record = _trainer(job, history, Path(scratch))
            loaders = (train_loader, job.data.val_loader() if job.validate else None)
            _fit(trainer, record, wrapper, loaders, job.resume)
        return outcome(job, history, self.name)


def _install_hint(missing: str) -> str:
    return f"{missing} is not installed: {how_to_install('train')}"


def _wrapper(job: Job, batches: int) -> Any:
    from chop.plt_wrapper import get_model_wrapper

    plan = job.plan
    info = job.model_info
    if info is None:
        info = SimpleNamespace(name=type(job.model).__name__, physical_data_point_classification=True)
    return get_model_wrapper(info, "cls")(
        job.model,
        dataset_info=SimpleNamespace(num_classes=plan.classes),
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        epochs=plan.schedule_length(batches),
        optimizer=plan.optimizer,
        momentum=plan.momentum,
        nesterov=plan.nesterov,
        schedule=plan.schedule,
    )


def _trainer(job: Job, history: History, scratch: Path) -> tuple[Any, Any]:
    import lightning

    from chop.training.lightning_callbacks import Record, progress_bar

    limits = job.plan.limits
    record = Record(job, history)
    callbacks = [record, *([progress_bar()] if job.bar else []), *_monitors(job)]
    trainer = lightning.Trainer(
        max_epochs=-1 if limits.max_epochs is None else limits.max_epochs,
        max_steps=-1 if limits.max_steps is None else limits.max_steps,
        accelerator={"cuda": "gpu"}.get(limits.device.type, limits.device.type),
        devices=[limits.device.index or 0] if limits.device.type == "cuda" else 1,
        precision=limits.precision,  # type: ignore[arg-type]
        accumulate_grad_batches=limits.accumulate_grad_batches,
        gradient_clip_val=limits.gradient_clip_val,
        gradient_clip_algorithm=limits.gradient_clip_algorithm,
        log_every_n_steps=limits.log_every_n_steps,
        logger=_logger(job),
        callbacks=callbacks,
        enable_checkpointing=job.folder is not None,
        enable_progress_bar=job.bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=None if job.validate else 0,
        default_root_dir=scratch,
    )
    return trainer, record


def _monitors(job: Job) -> list[Any]:
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

    found: list[Any] = []
    patience = job.plan.limits.early_stopping_patience
    if patience is not None and job.validate:
        found.append(EarlyStopping("val_loss_epoch", patience=patience, mode="min", check_finite=False))
    if job.folder is not None:
        found.append(
            ModelCheckpoint(
                dirpath=job.folder,
                filename=BEST.removesuffix(".ckpt"),
                monitor="val_loss_epoch" if job.validate else None,
                mode="min",
                save_last=True,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            )
        )
    return found


def _logger(job: Job) -> Any:
    if job.logs is None or not has_tensorboard():
        return False
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(save_dir=job.logs)


def _fit(trainer: Any, record: Any, wrapper: Any, loaders: tuple[Any, Any], resume: Path | None) -> None:
    try:
        with _signals_between_batches(record):
            trainer.fit(wrapper, *loaders, ckpt_path=None if resume is None else str(resume))
            record.raise_asked()  # after the last batch
    except (Exception, SystemExit) as error:
        record.raise_asked()
        if record.interrupt is not None:  # Lightning makes an exit code of it
            raise record.interrupt from None
        if resume is None or record.began or isinstance(error, SystemExit):
            raise
        raise ConfigError(f"resume: {resume} cannot be gone on from: {error!r:.200}") from error


@contextlib.contextmanager
def _signals_between_batches(record: Any) -> Iterator[None]:
    """Let ``record`` raise what a signal raises; a second one is raised at once.

    Anywhere else the exception could be lost (fsspec's ``exists`` takes any for a "no") or leave a lock of a logger's
    queue half released, for which its end then waits two minutes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def keep(number: int, frame: FrameType | None) -> None:
        handler: Any = before[signal.Signals(number)]
        if record.asked is not None:
            handler(number, frame)
        record.asked = lambda: handler(number, None)

    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, keep)
    try:
        yield
    finally:  # Lightning leaves Ctrl-C switched off
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


@contextlib.contextmanager
def _surroundings(job: Job) -> Iterator[None]:
    """One thread on the CPU, the gradient that was asked for, the caller's random stream and Lightning quiet."""
    import lightning  # noqa: F401 - it sets the level of its logger

    device = job.plan.limits.device
    cuda = [device.index or 0] if device.type == "cuda" else []
    logs = logging.getLogger("lightning.pytorch")
    level = logs.level
    threads = one_thread() if device.type == "cpu" else contextlib.nullcontext()
    with contextlib.ExitStack() as stack:
        stack.enter_context(threads)
        stack.enter_context(straight_through(job.plan.straight_through))
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", _QUIET)
        logs.setLevel(logging.WARNING)
        try:
            yield
        finally:
            logs.setLevel(level)
            _back_to_the_cpu(job.model, device)


def _back_to_the_cpu(model: nn.Module, device: torch.device) -> None:
    if device.type != "cpu":
        model.cpu()
