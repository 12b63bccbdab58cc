"""What the fields of a format may hold: one object a kind, which judges a config's value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

_NONE_TEXTS = ("na", "none")


def plain_none(value: Any) -> Any:
    """Return None for the ways in which files write it: "NA", "none", "None"; other values as they are.

    >>> plain_none("NA"), plain_none(3)
    (None, 3)
    """
    return None if isinstance(value, str) and value.lower() in _NONE_TEXTS else value


class Field(ABC):
    """Kind of a field."""

    takes_lists = False  # whether a value may be a list

    @abstractmethod
    def read(self, value: Any, where: str) -> Any:
        """Return the value in its own type.

        Raises:
            ConfigError: opening with ``where``.
        """


@dataclass(frozen=True)
class Whole(Field):
    """A whole number between two ends; None where that is allowed."""

    low: int
    high: int
    or_none: bool = False

    def read(self, value: Any, where: str) -> int | None:
        value = plain_none(value)
        if value is None and self.or_none:
            return None
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not self.low <= value <= self.high:
            raise ConfigError(
                f"{where} must be {self.low}..{self.high}{' or none' if self.or_none else ''}, got {value!r}"
            )
        return int(value)


@dataclass(frozen=True)
class Flag(Field):
    """True or false; None where that is allowed."""

    or_none: bool = False

    def read(self, value: Any, where: str) -> bool | None:
        value = plain_none(value)
        if value is None and self.or_none:
            return None
        if not isinstance(value, (bool, np.bool_)):
            raise ConfigError(f"{where} must be true or false, got {value!r}")
        return bool(value)


@dataclass(frozen=True)
class Real(Field):
    """A finite number, above 0 where that is asked for; None where that is allowed."""

    or_none: bool = True
    positive: bool = False

    def read(self, value: Any, where: str) -> float | None:
        value = plain_none(value)
        if value is None and self.or_none:
            return None
        real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not real or not math.isfinite(value) or (self.positive and value <= 0):
            what = "a positive number" if self.positive else "a number"
            raise ConfigError(f"{where} must be {what}{' or none' if self.or_none else ''}, got {value!r}")
        return float(value)


@dataclass(frozen=True)
class Word(Field):
    """One of some words, or a whole number from 1 on where that is allowed."""

    words: tuple[str, ...]
    or_number: bool = False
    or_none: bool = False

    def read(self, value: Any, where: str) -> Any:
        value = plain_none(value)
        if (isinstance(value, str) and value in self.words) or (value is None and self.or_none):
            return value
        if self.or_number and isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        known = ", ".join(self.words) + (" or a whole number from 1 on" if self.or_number else "")
        hint = did_you_mean(value, self.words) if isinstance(value, str) else ""
        raise ConfigError(f"{where} must be one of {known}, got {value!r}{hint}")


@dataclass(frozen=True)
class Ignored(Field):
    """Anything: read for MASE's sake and without effect."""

    def read(self, value: Any, where: str) -> Any:
        return value


@dataclass(frozen=True)
class BlockSize(Field):
    """A list of whole numbers from 1 on, -1 for a whole dimension; a number is a list of one."""

    takes_lists = True

    def read(self, value: Any, where: str) -> tuple[int, ...]:
        entries = value.tolist() if isinstance(value, np.ndarray) else value
        entries = list(entries) if isinstance(entries, (list, tuple)) else [entries]
        for entry in entries:
            whole = isinstance(entry, (int, np.integer)) and not isinstance(entry, bool)
            if not whole or not (entry == -1 or 1 <= entry < 2**31):
                raise ConfigError(
                    f"{where} must be a whole number from 1 on, -1 for a whole dimension, or a list of such, got "
                    f"{value!r:.80}"
                )
        if not entries:
            raise ConfigError(f"{where} must hold at least one number, got an empty list")
        return tuple(int(entry) for entry in entries)
