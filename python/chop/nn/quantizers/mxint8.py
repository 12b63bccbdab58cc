"""MXINT8 of OCP MX 1.0: integers of 8 bits in units of 2^-6, blocks of 32."""

from __future__ import annotations

from chop.nn.quantizers.mx import MXSpec
from chop.nn.quantizers.spec import QUANTIZERS

SPEC = MXSpec("mxint8", "MXInt8", 8, "of two's complement, 1 integer bit and 6 fraction bits")
QUANTIZERS[SPEC.name] = SPEC
mxint8_quantizer = SPEC.function
