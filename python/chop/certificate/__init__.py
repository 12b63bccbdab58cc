"""What a quantization config's integers do on the data, and whether floats tell the same as integer hardware.

The numbers come from the core, which sums each layer's codes again in plain numbers that hold every partial sum. The
grid of a layer's sums is the finer one of products and bias; "a sum" is the integer that it is in units of that grid.
"""

from __future__ import annotations

from chop.certificate.layers import Counterexample, LayerCertificate, Saturated
from chop.certificate.making import ValueLayers, certify
from chop.certificate.report import Certificate

__all__ = ["Certificate", "Counterexample", "LayerCertificate", "Saturated", "ValueLayers", "certify"]
