"""Search spaces: what a trial may choose, as lists of choices by flat name.

A space is a class with ``Setup`` (a strict table), ``__init__(graph, setup, seed)``, the two ``*_flattened``
mappings and ``flattened_indexes_to_config``. Register one of your own in ``SEARCH_SPACES``.

Optional: ``changes_model = True`` with ``passes_of(config, seed)`` (pass name -> arguments) for a space whose
trials redefine layers, and ``key_of(indexes)`` where different indexes can mean the same trial.
"""

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

# Each member registers itself when its file is imported.
from chop.actions.search.search_space import channel_size, quantization  # noqa: E402, F401
