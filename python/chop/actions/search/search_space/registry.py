"""The registry of search spaces, and the shape of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from chop.registry import Registry

if TYPE_CHECKING:
    from chop.ir.graph.mase_graph import MaseGraph


class SearchSpace(Protocol):
    """The shape of a search space."""

    Setup: ClassVar[Any]  # a StrictTable
    choices_flattened: dict[str, list[Any]]
    choice_lengths_flattened: dict[str, int]

    def __init__(self, graph: MaseGraph, setup: Any, seed: Mapping[str, Any]) -> None: ...

    def flattened_indexes_to_config(self, indexes: Mapping[str, int]) -> dict[str, Any]: ...


SEARCH_SPACES: Registry[type[SearchSpace]] = Registry("search space")
