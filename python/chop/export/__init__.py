"""Models leave the lab here: written for another program, run by it, and compared bit for bit before hand-over.

The package is also the function: ``chop.export(model, config, "onnx", "folder", x=rows)``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from chop.export import cpp, hls4ml_project, integers, onnx_arithmetic, onnx_qdq, qonnx, torch_program
from chop.export.integers import read_integers
from chop.export.proof import Proof
from chop.export.run import Exported, export
from chop.export.target import TARGETS, MissingExecutor, Refusal, Sample, Target, register
from chop.nn.quantizers.plain import plain_operators

__all__ = [
    "TARGETS",
    "Exported",
    "MissingExecutor",
    "Proof",
    "Refusal",
    "Sample",
    "Target",
    "cpp",
    "export",
    "hls4ml_project",
    "integers",
    "onnx_arithmetic",
    "onnx_qdq",
    "plain_operators",
    "qonnx",
    "read_integers",
    "register",
    "torch_program",
]


class _CallablePackage(ModuleType):
    """Lets ``chop.export(...)`` be the call, and ``chop.export.TARGETS`` what belongs to it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Exported:
        return export(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
