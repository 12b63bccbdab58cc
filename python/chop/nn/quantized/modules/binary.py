"""Binary layers with a trained scale of the weight, and the one without it that the map does not name."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from chop.nn.quantized.modules.conv2d import QuantizedConv2d
from chop.nn.quantized.modules.linear import QuantizedLinear
from chop.nn.quantized.quantized_module import OWN_LAYERS
from chop.nn.quantized.weighted_module import QuantizedWeightModule


class ScaledWeight(QuantizedWeightModule):
    """Multiplies the quantized weight by ``|gamma|``, a trainable scalar that begins at 1."""

    gamma: nn.Parameter

    def _set_config(self, config: Any) -> None:
        super()._set_config(config)
        self._fresh()

    def _fresh(self) -> None:
        """Make the parameters that a float layer lacks."""
        self.gamma = nn.Parameter(torch.ones((), device=self.weight.device, dtype=self.weight.dtype))

    def get_quantized_weight(self) -> Tensor:
        weight = super().get_quantized_weight()
        return weight if self.bypass else weight * self.gamma.abs()

    @classmethod
    def from_float(cls, module: nn.Module, config: Any) -> Self:
        made = super().from_float(module, config)
        for name in [each for each in made._parameters if each not in ("weight", "bias")]:
            del made._parameters[name]
        made._fresh()
        return made

    def to_float(self) -> Any:
        made = super().to_float()
        for name in [each for each in made._parameters if each not in ("weight", "bias")]:
            del made._parameters[name]
        return made


class Conv2dBinaryScaling(ScaledWeight, QuantizedConv2d):
    """The convolution over two dimensions with a binary weight times ``|gamma|``; input and bias stay as they are."""

    quantizer_name = "binary"


class LinearBinaryScaling(ScaledWeight, QuantizedLinear):
    """The fully connected layer with a binary weight times ``|gamma|``; input and bias stay as they are."""

    quantizer_name = "binary"


class Conv2dBinary(QuantizedConv2d):
    """The convolution over two dimensions with a binary weight; input and bias stay as they are."""

    quantizer_name = "binary"


OWN_LAYERS["conv2d", "binary"] = Conv2dBinaryScaling
