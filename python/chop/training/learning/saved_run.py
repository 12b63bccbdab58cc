"""A run that learns widths, in a file: where it goes on after it was stopped or killed."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from chop.tools.errors import ConfigError
from chop.tools.mz_file import read_mz_parts, save_mz
from chop.training.data import digest_of
from chop.training.learning.checkpoint_front import Checkpoint
from chop.training.learning.learning import Learning, Position

_SECONDS = 2.0  # at least, between two writes
_NOW = "now"


class SavedRun:
    """The file of a run; each epoch may write it, and the end of the run does.

    Args:
        path: the file.
        learning: a run that is ready; it goes on from the file where there is one.

    Raises:
        ConfigError: a damaged file, or one of a run with another model, other rows, targets or options.
    """

    def __init__(self, path: Path, learning: Learning) -> None:
        self.path, self._learning = path, learning
        self._identity = identity_of(learning)
        self._written = time.monotonic()
        if path.is_file():
            self._load()

    def tell(self, learning: Learning) -> None:
        """Write the file, unless it was written a moment ago."""
        ended = learning.position.stage == len(learning.stages)
        if not ended and time.monotonic() - self._written < _SECONDS:
            return
        tensors = {f"{_NOW}/{name}": each for name, each in learning.trainer.snapshot().items()}
        facts = []
        for number, checkpoint in enumerate(learning.front):
            values = dataclasses.asdict(dataclasses.replace(checkpoint, rows={}))
            facts.append({name: value for name, value in values.items() if name != "rows"})
            tensors |= {f"{number}/{name}": each for name, each in checkpoint.rows.items()}
        content = {
            "identity": self._identity,
            "position": dataclasses.asdict(learning.position),
            "checkpoints": facts,
        }
        save_mz(nn.Module(), self.path, content, tensors)
        self._written = time.monotonic()

    def _load(self) -> None:
        parts = read_mz_parts(self.path)
        content: dict[str, Any] = parts.extra
        if content.get("identity") != self._identity:
            raise ConfigError(
                f"learn_widths: {self.path} was begun with another model, other rows, targets or options: use another "
                "folder, or delete the file"
            )
        self._learning.position = Position(**content["position"])
        for number, facts in enumerate(content["checkpoints"]):
            self._learning.front.add(Checkpoint(**facts, rows=_under(parts.tensors, str(number))))
        self._learning.trainer.restore(_under(parts.tensors, _NOW))


def identity_of(learning: Learning) -> str:
    """Hexadecimal SHA-256 of all that a run depends on."""
    stages = [
        (stage.target.count, stage.target.most) if stage.target else (stage.low, stage.high)
        for stage in learning.stages
    ]
    text = repr((dataclasses.astuple(learning.recipe), stages, learning.count, learning.layers.tables))
    rows = [each for part in learning.rows for each in part]
    return digest_of([*learning.layers.model.state_dict().values(), *rows], text)


def _under(tensors: dict[str, Tensor], place: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{place}/"): each for name, each in tensors.items() if name.startswith(f"{place}/")
    }
