"""Every configuration of a space instead of a sample: :func:`sweep`, and what a quantization space is.

The package itself can be called: ``chop.search(model, x, y, minimize=["ebops"])`` is
:func:`chop.actions.one_call.search_formats`.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from chop.search.pareto import pareto_front
from chop.search.quantization_space import QuantizationSpace
from chop.search.report import SweepReport
from chop.search.sweeping import sweep

__all__ = ["QuantizationSpace", "SweepReport", "pareto_front", "sweep"]


class _Callable(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        # It trains too, so it stands in a layer above this one.
        return importlib.import_module("chop.actions.one_call").search_formats(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
