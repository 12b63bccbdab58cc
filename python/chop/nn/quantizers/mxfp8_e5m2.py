"""MXFP8 of OCP MX 1.0 with elements E5M2 (up to 57344), blocks of 32."""

from __future__ import annotations

from chop.nn.quantizers.mx import MXSpec
from chop.nn.quantizers.spec import QUANTIZERS

SPEC = MXSpec("mxfp8_e5m2", "MXFP8E5M2", 8, "E5M2 (OCP OFP8)")
QUANTIZERS[SPEC.name] = SPEC
mxfp8_e5m2_quantizer = SPEC.function
