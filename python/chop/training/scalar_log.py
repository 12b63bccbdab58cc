"""TensorBoard logs in MASE's place: ``<folder>/lightning_logs/version_k``."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chop.tools.logger import get_logger

logger = get_logger(__name__)

_NAME = "lightning_logs"


def has_tensorboard() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


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
            logger.info("no TensorBoard logs: it is not installed (pip install 'chop[train]')")
            return
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(_next_version(folder / _NAME)))

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
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Bring everything to the disk."""
        if self._writer is not None:
            self._writer.close()


def _next_version(folder: Path) -> Path:
    names = [path.name for path in folder.glob("version_*")] if folder.is_dir() else []
    taken = [int(name.removeprefix("version_")) for name in names if name.removeprefix("version_").isdigit()]
    return folder / f"version_{max(taken, default=-1) + 1}"
