"""Both kinds of small floats, under MASE's name of the file."""

from __future__ import annotations

from chop.nn.quantizers.minifloat_denorm import MinifloatDenormQuantize, minifloat_denorm_quantizer
from chop.nn.quantizers.minifloat_ieee import MinifloatIEEEQuantize, minifloat_ieee_quantizer

__all__ = [
    "MinifloatDenormQuantize",
    "MinifloatIEEEQuantize",
    "minifloat_denorm_quantizer",
    "minifloat_ieee_quantizer",
]
