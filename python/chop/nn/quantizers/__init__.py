"""Quantizers by name. A new one is one file: a :class:`QuantizerSpec` put into ``QUANTIZERS``."""

from __future__ import annotations

from chop.nn.quantizers.binary import binary_quantizer
from chop.nn.quantizers.binary_residual import residual_sign_quantizer
from chop.nn.quantizers.block_fp import BlockFPQuantize, block_fp_quantizer
from chop.nn.quantizers.block_log import BlockLogQuantize, block_log_quantizer
from chop.nn.quantizers.block_minifloat import BlockMinifloatQuantize, block_minifloat_quantizer
from chop.nn.quantizers.by_name import quantizer_map
from chop.nn.quantizers.element_format import ElementFormat
from chop.nn.quantizers.elements import ElementQuantizer, element_quantizer
from chop.nn.quantizers.format import OVERFLOW_MODES, ROUNDING_MODES, IntegerFormat
from chop.nn.quantizers.integer import (
    IntegerQuantize,
    IntegerSpec,
    integer_fraction,
    integer_quantizer,
)
from chop.nn.quantizers.log import LogQuantize, log_quantizer
from chop.nn.quantizers.minifloat import (
    MinifloatDenormQuantize,
    MinifloatIEEEQuantize,
    minifloat_denorm_quantizer,
    minifloat_ieee_quantizer,
)
from chop.nn.quantizers.mxfp4 import mxfp4_quantizer
from chop.nn.quantizers.mxfp6_e2m3 import mxfp6_e2m3_quantizer
from chop.nn.quantizers.mxfp6_e3m2 import mxfp6_e3m2_quantizer
from chop.nn.quantizers.mxfp8_e4m3 import mxfp8_e4m3_quantizer
from chop.nn.quantizers.mxfp8_e5m2 import mxfp8_e5m2_quantizer
from chop.nn.quantizers.mxint8 import mxint8_quantizer
from chop.nn.quantizers.number_format import NumberFormat
from chop.nn.quantizers.operands import OPERANDS, Operand
from chop.nn.quantizers.scale_integer import scale_integer_quantizer
from chop.nn.quantizers.spec import QUANTIZERS, QuantizerSpec, check_quantizer_config
from chop.nn.quantizers.straight_through import STRAIGHT_THROUGH, straight_through
from chop.nn.quantizers.ternary import ternary_quantizer

__all__ = [
    "OPERANDS",
    "OVERFLOW_MODES",
    "QUANTIZERS",
    "ROUNDING_MODES",
    "STRAIGHT_THROUGH",
    "BlockFPQuantize",
    "BlockLogQuantize",
    "BlockMinifloatQuantize",
    "ElementFormat",
    "ElementQuantizer",
    "IntegerFormat",
    "IntegerQuantize",
    "IntegerSpec",
    "LogQuantize",
    "MinifloatDenormQuantize",
    "MinifloatIEEEQuantize",
    "NumberFormat",
    "Operand",
    "QuantizerSpec",
    "binary_quantizer",
    "block_fp_quantizer",
    "block_log_quantizer",
    "block_minifloat_quantizer",
    "check_quantizer_config",
    "element_quantizer",
    "integer_fraction",
    "integer_quantizer",
    "log_quantizer",
    "minifloat_denorm_quantizer",
    "minifloat_ieee_quantizer",
    "mxfp4_quantizer",
    "mxfp6_e2m3_quantizer",
    "mxfp6_e3m2_quantizer",
    "mxfp8_e4m3_quantizer",
    "mxfp8_e5m2_quantizer",
    "mxint8_quantizer",
    "quantizer_map",
    "residual_sign_quantizer",
    "scale_integer_quantizer",
    "straight_through",
    "ternary_quantizer",
]
