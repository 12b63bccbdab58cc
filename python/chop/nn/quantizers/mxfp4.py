"""MXFP4 of OCP MX 1.0, elements E2M1 (up to 6), blocks of 32."""

from __future__ import annotations

from chop.nn.quantizers.mx import MXSpec
from chop.nn.quantizers.spec import QUANTIZERS

SPEC = MXSpec("mxfp4", "MXFP4", 4, "E2M1")
QUANTIZERS[SPEC.name] = SPEC
mxfp4_quantizer = SPEC.function
