"""Models leave the lab here: written for another program, run by it, and compared bit for bit before hand-over."""

from __future__ import annotations

from chop.export import onnx_arithmetic, onnx_qdq
from chop.export.proof import Proof
from chop.export.run import Exported, export
from chop.export.target import TARGETS, MissingExecutor, Refusal, Target, register

__all__ = [
    "TARGETS",
    "Exported",
    "MissingExecutor",
    "Proof",
    "Refusal",
    "Target",
    "export",
    "onnx_arithmetic",
    "onnx_qdq",
    "register",
]
