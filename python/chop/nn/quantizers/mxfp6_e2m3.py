"""MXFP6 of OCP MX 1.0 with elements E2M3 (up to 7.5), blocks of 32."""

from __future__ import annotations

from chop.nn.quantizers.mx import MXSpec
from chop.nn.quantizers.spec import QUANTIZERS

SPEC = MXSpec("mxfp6_e2m3", "MXFP6E2M3", 6, "E2M3")
QUANTIZERS[SPEC.name] = SPEC
mxfp6_e2m3_quantizer = SPEC.function
