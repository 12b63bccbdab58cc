"""MXFP6 of OCP MX 1.0 with elements E3M2 (up to 28), blocks of 32."""

from __future__ import annotations

from chop.nn.quantizers.mx import MXSpec
from chop.nn.quantizers.spec import QUANTIZERS

SPEC = MXSpec("mxfp6_e3m2", "MXFP6E3M2", 6, "E3M2")
QUANTIZERS[SPEC.name] = SPEC
mxfp6_e3m2_quantizer = SPEC.function
