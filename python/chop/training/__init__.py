"""Training: the native engine, the Lightning engine, and grids of runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chop.training.engines import ENGINES
    from chop.training.fitting import fit
    from chop.training.grids import grid
    from chop.training.native import Epoch, NativeTrainer, NonFiniteLossError, Scores

_PLACES = {
    "ENGINES": "engines",
    "fit": "fitting",
    "grid": "grids",
    "Epoch": "native",
    "NativeTrainer": "native",
    "NonFiniteLossError": "native",
    "Scores": "native",
}

__all__ = ["ENGINES", "Epoch", "NativeTrainer", "NonFiniteLossError", "Scores", "fit", "grid"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
