"""TensorBoard logs in MASE's place: ``<folder>/lightning_logs/version_k``."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chop.tools.extras import how_to_install
from chop.tools.logger import get_logger

logger = get_logger(__name__)

_NAME = "lightning_logs"


def has_tensorboard() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


class _EventFile:
    """TensorBoard's events, written by this thread: its own writer has one that prints a traceback on a full disk."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.0"
        with self._errors():
            self._file = self._path.open("wb")
            self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        self.flush()

    def add(self, name: str, value: float, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=float(value))]))

    def flush(self) -> None:
        with self._errors():
            self._file.flush()

    def close(self) -> None:
        with self._errors():
            self._file.close()

    def _write(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        with self._errors():
            self._records.write(Event(wall_time=time.time(), **fields).SerializeToString())

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # of a write, which names no file
            raise OSError(error.errno, error.strerror, str(self._path)) from error


class ScalarLog:
    """Writes scalars of one run; without a folder, or without TensorBoard, it writes nothing.

    Args:
        folder: receives ``lightning_logs/version_k`` with the next free k, as Lightning numbers them.
        every: steps from one logged step to the next.
    """

    def __init__(self, folder: Path | None, every: int) -> None:
        self.every = every
        self._writer: Any = None
        if folder is None:
            return
        if not has_tensorboard():
            logger.info(
                "no TensorBoard logs: it is not installed (%s)", how_to_install("train", ["tensorboard"])
            )
            return
        self._writer = _EventFile(_next_version(folder / _NAME))

    @property
    def active(self) -> bool:
        """Whether anything is written."""
        return self._writer is not None

    def steps_before_next(self, step: int) -> int:
        """Steps to take, after ``step`` of them, before the one that is to be logged."""
        return (self.every - 1 - step) % self.every

    def add(self, scalars: Mapping[str, float], step: int) -> None:
        """Write scalars at a step (from 0)."""
        if self._writer is not None:
            for name, value in scalars.items():
                self._writer.add(name, value, step)
            self._writer.flush()

    def close(self) -> None:
        """Bring everything to the disk."""
        if self._writer is not None:
            self._writer.close()


def _next_version(folder: Path) -> Path:
    names = [path.name for path in folder.glob("version_*")] if folder.is_dir() else []
    taken = [int(name.removeprefix("version_")) for name in names if name.removeprefix("version_").isdigit()]
    return folder / f"version_{max(taken, default=-1) + 1}"
