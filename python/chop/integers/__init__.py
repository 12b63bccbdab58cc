"""What a quantized graph means in whole numbers: the one view that exports, emitters and proofs share."""

from __future__ import annotations

from chop.integers.sums import Sums, sums_of
from chop.integers.view import QuantizedView, ViewNode, quantized_view

__all__ = ["QuantizedView", "Sums", "ViewNode", "quantized_view", "sums_of"]
