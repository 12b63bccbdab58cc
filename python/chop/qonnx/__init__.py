"""QONNX files come in here: as a graph with formats, equal to what qonnx computes."""

from __future__ import annotations

from chop.qonnx.load import QonnxModel, load_qonnx

__all__ = ["QonnxModel", "load_qonnx"]
