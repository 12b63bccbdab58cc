"""MXFP8 of OCP MX 1.0 with elements E4M3 (up to 448), blocks of 32."""

from __future__ import annotations

from chop.nn.quantizers.mx import MXSpec
from chop.nn.quantizers.spec import QUANTIZERS

SPEC = MXSpec("mxfp8_e4m3", "MXFP8E4M3", 8, "E4M3 (OCP OFP8)")
QUANTIZERS[SPEC.name] = SPEC
mxfp8_e4m3_quantizer = SPEC.function
