"""Loggers by name: what is told each epoch's figures and passes them on to a tool."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from chop.registry import Registry
from chop.tools.errors import ConfigError


class EpochLogger(Protocol):
    """A logger of one run; made before it as ``Logger(folder, name, facts)``."""

    def __call__(self, row: dict[str, Any]) -> None:
        """Log the figures of an epoch; see :func:`chop.training.fit`."""

    def close(self, failed: bool) -> None:
        """End the run."""


#: name -> class of (folder, name, facts); users add entries here
LOGGERS: Registry[Any] = Registry("logger")


@contextlib.contextmanager
def epoch_logger(
    name: str, folder: Path, run_name: str, facts: Mapping[str, Any]
) -> Iterator[tuple[EpochLogger, ...]]:
    """The callbacks of ``fit`` that log a run to the tool ``name``: none for "csv" and "tensorboard".

    Of these ``metrics.csv`` is always written, and TensorBoard's events are written step by step by the trainers.

    Raises:
        UnknownNameError: no such logger.
        ConfigError: its library is missing, or it cannot begin.
    """
    made = LOGGERS[name]
    if made is None:
        yield ()
        return
    check_logger(name)
    try:
        logger = made(folder, run_name, facts)
    except Exception as error:  # of every kind, by the tool
        raise ConfigError(f"report_to: {name} cannot begin: {' '.join(str(error).split())[:300]}") from error
    failed = True
    try:
        yield (logger,)
        failed = False
    finally:
        logger.close(failed)


def check_logger(name: str) -> None:
    """Raise ConfigError where the library of a logger is missing, UnknownNameError where there is no such one."""
    library = getattr(LOGGERS[name], "library", None)
    if library is not None and importlib.util.find_spec(library) is None:
        raise ConfigError(f"report_to: {name!r} needs {library}: pip install {library}")


LOGGERS["tensorboard"] = None
LOGGERS["csv"] = None


@LOGGERS.register("wandb")
class WandbLogger:
    """Weights & Biases; its own variables say where to (``WANDB_PROJECT``, ``WANDB_MODE=offline``, …)."""

    library = "wandb"

    def __init__(self, folder: Path, name: str, facts: Mapping[str, Any]) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        project = os.environ.get("WANDB_PROJECT", "chop")
        self._run = wandb.init(project=project, name=name, dir=str(folder), config=dict(facts))

    def __call__(self, row: dict[str, Any]) -> None:
        self._run.log(row, step=int(row["step"]))

    def close(self, failed: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=int(failed))


@LOGGERS.register("mlflow")
class MlflowLogger:
    """MLflow: into the server that ``MLFLOW_TRACKING_URI`` names, else ``mlflow.db`` in the run's folder."""

    library = "mlflow"

    def __init__(self, folder: Path, name: str, facts: Mapping[str, Any]) -> None:
        from mlflow.tracking import MlflowClient

        folder.mkdir(parents=True, exist_ok=True)
        place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / 'mlflow.db').absolute()}"
        self._client = MlflowClient(tracking_uri=place)
        wanted = os.environ.get("MLFLOW_EXPERIMENT_NAME", "chop")
        found = self._client.get_experiment_by_name(wanted)
        experiment = self._client.create_experiment(wanted) if found is None else found.experiment_id
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in facts.items():
            self._client.log_param(self._run, key, value)

    def __call__(self, row: dict[str, Any]) -> None:
        for key, value in row.items():
            self._client.log_metric(self._run, key, float(value), step=int(row["step"]))

    def close(self, failed: bool) -> None:
        """End the run."""
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")
