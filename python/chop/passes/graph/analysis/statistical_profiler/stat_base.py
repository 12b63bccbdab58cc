"""What a statistic is, and the table of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from chop.registry import Registry


class StatBase(ABC):
    """Interface of a statistic: samples in, one table of numbers out.

    Attributes:
        name: the name under which it is registered, the key of :meth:`export`.
    """

    name: str = ""

    @abstractmethod
    def update_a_sample(self, sample: Any) -> None:
        """Take a sample: a tensor, a number or a list."""

    def update_a_batch(self, batch: Tensor) -> None:
        """Take each row of a batch ``[rows, ...]`` as a sample ``[1, ...]``, as the profile pass does."""
        for sample in batch.split(1) if batch.dim() > 0 else (batch,):
            self.update_a_sample(sample)

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """Return the results so far: field -> tensor, number or "NA"."""

    def export(self) -> dict[str, dict[str, Any]]:
        """Return ``{name: results}`` with plain numbers and nested lists, ready for JSON and TOML."""
        return {self.name: {field: _plain(value) for field, value in self.compute().items()}}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


class _StatisticRegistry(Registry[type[StatBase]]):
    """A registry whose members learn their name; see :class:`chop.registry.Registry`."""

    def __setitem__(self, name: str, member: type[StatBase]) -> None:
        super().__setitem__(name, member)
        if not getattr(member, "name", None):
            member.name = name


STAT_NAME_TO_CLS: Registry[type[StatBase]] = _StatisticRegistry("statistic")
