"""What a quantized graph means in whole numbers: the one view that exports, emitters and proofs share."""

from __future__ import annotations

from chop.integers.execute import execute
from chop.integers.making import integer_net
from chop.integers.net import IntegerNet, NotIntegerError, Operation
from chop.integers.sums import Sums, sums_of
from chop.integers.view import QuantizedView, ViewNode, quantized_view

__all__ = [
    "IntegerNet",
    "NotIntegerError",
    "Operation",
    "QuantizedView",
    "Sums",
    "ViewNode",
    "execute",
    "integer_net",
    "quantized_view",
    "sums_of",
]
