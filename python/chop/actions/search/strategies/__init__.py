"""Strategies decide which configurations are tried.

A strategy is a class with ``Setup`` (a strict table), ``__init__(setup, space, seed)`` and
``run(objective, identity, folder, visualizer) -> SearchResult``. ``check(objective)`` may raise ``ConfigError`` before
anything is written. Register one of your own in ``STRATEGIES``.
"""

# Each member registers itself when its file is imported.
from chop.actions.search.strategies import exhaustive, learned, optuna  # noqa: F401
from chop.actions.search.strategies.registry import STRATEGIES, Strategy

__all__ = ["STRATEGIES", "Strategy"]
