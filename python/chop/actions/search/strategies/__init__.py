"""Strategies decide which configurations are tried.

A strategy is a class with ``Setup`` (a strict table), ``__init__(setup, space, seed)`` and
``run(objective, identity, folder, visualizer) -> SearchResult``. ``check(objective)`` may raise ``ConfigError`` before
anything is written. Register one of your own in ``STRATEGIES``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from chop.registry import Registry

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.actions.search.results import SearchResult
    from chop.actions.search.search_space import SearchSpace


class Strategy(Protocol):
    """The shape of a strategy."""

    Setup: ClassVar[Any]  # a StrictTable

    def __init__(self, setup: Any, space: SearchSpace, seed: int) -> None: ...

    def run(
        self, objective: Objective, identity: str, folder: Path, visualizer: Any = None
    ) -> SearchResult: ...


STRATEGIES: Registry[type[Strategy]] = Registry("search strategy")

# Each member registers itself when its file is imported.
from chop.actions.search.strategies import exhaustive, learned, optuna  # noqa: E402, F401
