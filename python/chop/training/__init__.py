"""Training: the native engine, the Lightning engine, and grids of runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chop.training.engines import ENGINES
    from chop.training.fitting import fit
    from chop.training.grids import grid
    from chop.training.native import Epoch, NativeTrainer, NonFiniteLossError, Scores
    from chop.training.trained_widths import LayerWidths, TrainedWidths

_PLACES = {
    "ENGINES": "engines",
    "fit": "fitting",
    "grid": "grids",
    "Epoch": "native",
    "NativeTrainer": "native",
    "LayerWidths": "trained_widths",
    "NonFiniteLossError": "native",
    "Scores": "native",
    "TrainedWidths": "trained_widths",
}

__all__ = [
    "ENGINES",
    "Epoch",
    "LayerWidths",
    "NativeTrainer",
    "NonFiniteLossError",
    "Scores",
    "TrainedWidths",
    "fit",
    "grid",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
