"""Training: the native engine, the Lightning engine, and grids of runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chop.training.engines import ENGINES
    from chop.training.fitting import fit
    from chop.training.grids import grid
    from chop.training.learning import LearnedFront, LearnedModel, WidthRecipe, learn_front, learn_widths
    from chop.training.native import Epoch, NativeTrainer, NonFiniteLossError, Scores
    from chop.training.trained_widths import LayerWidths, TrainedWidths

_PLACES = {
    "ENGINES": "engines",
    "fit": "fitting",
    "grid": "grids",
    "Epoch": "native",
    "NativeTrainer": "native",
    "LayerWidths": "trained_widths",
    "LearnedFront": "learning",
    "LearnedModel": "learning",
    "NonFiniteLossError": "native",
    "Scores": "native",
    "TrainedWidths": "trained_widths",
    "WidthRecipe": "learning",
    "learn_front": "learning",
    "learn_widths": "learning",
}

__all__ = [
    "ENGINES",
    "Epoch",
    "LayerWidths",
    "LearnedFront",
    "LearnedModel",
    "NativeTrainer",
    "NonFiniteLossError",
    "Scores",
    "TrainedWidths",
    "WidthRecipe",
    "fit",
    "grid",
    "learn_front",
    "learn_widths",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
