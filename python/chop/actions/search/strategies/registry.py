"""The registry of strategies, and the shape of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from chop.registry import Registry

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.actions.search.results import SearchResult
    from chop.actions.search.search_space.registry import SearchSpace


class Strategy(Protocol):
    """The shape of a strategy."""

    Setup: ClassVar[Any]  # a StrictTable

    def __init__(self, setup: Any, space: SearchSpace, seed: int) -> None: ...

    def run(
        self, objective: Objective, identity: str, folder: Path, visualizer: Any = None
    ) -> SearchResult: ...


STRATEGIES: Registry[type[Strategy]] = Registry("search strategy")
