"""Questions to the content of a checkpoint, each answered or refused with the key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from chop.tools.errors import ConfigError

__all__ = ["Values"]


class Values:
    """The content of one file. What is missing or of a wrong kind is a ``ConfigError`` that names the key.

    Args:
        content: of the file.
        path: for messages.
    """

    def __init__(self, content: Mapping[str, Any], path: Path) -> None:
        self.content, self.path = content, path

    def wrong(self, key: str, wanted: str, found: Any) -> ConfigError:
        """The error of a value that is not what is wanted."""
        text = " ".join(repr(found).split())[:60]
        if isinstance(found, Tensor) and found.dim():
            text = f"a tensor {list(found.shape)} of {str(found.dtype).removeprefix('torch.')}"
        return ConfigError(f"resume: {self.path}: {key} must be {wanted}, got {text}")

    def table(self, key: str, value: Any, names: Sequence[str] = ()) -> Mapping[Any, Any]:
        if not isinstance(value, Mapping):
            raise self.wrong(key, "a table", value)
        if missing := [name for name in names if name not in value]:
            raise ConfigError(f"resume: {self.path}: {key} lacks {', '.join(missing)}")
        return value

    def one_table(self, key: str, names: Sequence[str] = ()) -> Mapping[Any, Any]:
        value = self.content[key]
        if not isinstance(value, (list, tuple)) or len(value) != 1:
            raise self.wrong(key, "a list of one table", value)
        return self.table(f"{key}[0]", value[0], names)

    def whole(self, key: str, value: Any, least: int) -> int:
        if type(value) is not int or value < least:
            raise self.wrong(key, f"a whole number from {least}", value)
        return value

    def number(self, key: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            span = f" in {low:g}..{high:g}" if math.isfinite(low) and math.isfinite(high) else ""
            raise self.wrong(key, f"a number{span}", value)
        return float(value)

    def equal(self, key: str, value: Any, wanted: Any) -> None:
        if _plain(value) != _plain(wanted):
            raise self.wrong(key, repr(wanted), value)


def _plain(value: Any) -> Any:
    """Equal for what is equal and of one kind: True is not 1, but a list is as good as a tuple."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    number = type(value) in (int, float)
    return ("number" if number else type(value).__name__, repr(value) if isinstance(value, Tensor) else value)
