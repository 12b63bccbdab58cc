"""Quantizers by name. A new one is one file: a :class:`QuantizerSpec` put into ``QUANTIZERS``."""

from __future__ import annotations

from chop.nn.quantizers.element_format import ElementFormat
from chop.nn.quantizers.elements import ElementQuantizer, element_quantizer
from chop.nn.quantizers.format import OVERFLOW_MODES, ROUNDING_MODES, IntegerFormat
from chop.nn.quantizers.integer import (
    IntegerQuantize,
    IntegerSpec,
    integer_fraction,
    integer_quantizer,
)
from chop.nn.quantizers.operands import OPERANDS, Operand
from chop.nn.quantizers.spec import QUANTIZERS, QuantizerSpec, check_quantizer_config, quantizer_map
from chop.nn.quantizers.straight_through import STRAIGHT_THROUGH, straight_through

__all__ = [
    "OPERANDS",
    "OVERFLOW_MODES",
    "QUANTIZERS",
    "ROUNDING_MODES",
    "STRAIGHT_THROUGH",
    "ElementFormat",
    "ElementQuantizer",
    "IntegerFormat",
    "IntegerQuantize",
    "IntegerSpec",
    "Operand",
    "QuantizerSpec",
    "check_quantizer_config",
    "element_quantizer",
    "integer_fraction",
    "integer_quantizer",
    "quantizer_map",
    "straight_through",
]
