"""What a quantized graph means in whole numbers: the one view that exports, emitters and proofs share."""

from __future__ import annotations

from chop.integers.execute import execute
from chop.integers.making import integer_net
from chop.integers.net import IntegerNet, NotIntegerError, Operation
from chop.integers.sums import Sums, has_sums, largest_code, lies_on_grid, sums_of
from chop.integers.view import Format, QuantizedView, ViewNode, quantized_view

__all__ = [
    "Format",
    "IntegerNet",
    "NotIntegerError",
    "Operation",
    "QuantizedView",
    "Sums",
    "ViewNode",
    "execute",
    "has_sums",
    "integer_net",
    "largest_code",
    "lies_on_grid",
    "quantized_view",
    "sums_of",
]
