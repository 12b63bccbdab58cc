"""From a quantized model to Verilog that was run and compared before it is handed over.

The package is also the function: ``chop.emit(model, config, "folder", x=rows)``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from chop.emit import alkaid_sums
from chop.emit.cells import Circuit, CircuitError
from chop.emit.design import Design, design_of
from chop.emit.options import Wanted
from chop.emit.run import Emitted, emit
from chop.emit.sums import SUMS, Sums, register

__all__ = [
    "SUMS",
    "Circuit",
    "CircuitError",
    "Design",
    "Emitted",
    "Sums",
    "Wanted",
    "alkaid_sums",
    "design_of",
    "emit",
    "register",
]


class _CallablePackage(ModuleType):
    """Lets ``chop.emit(...)`` be the call, and ``chop.emit.SUMS`` what belongs to it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Emitted:
        return emit(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
