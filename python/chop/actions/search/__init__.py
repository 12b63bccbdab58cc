"""The search action and its parts.

As in MASE ``chop.actions.search`` is the function; the parts are imported from below it
(``from chop.actions.search.metrics import METRICS``). Importing it loads neither optuna nor pydantic.
"""

from __future__ import annotations

from chop.actions.search.search import search

__all__ = ["search"]
