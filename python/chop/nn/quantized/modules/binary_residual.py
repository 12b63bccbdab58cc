"""Layers on binary weights whose inputs are binary in several levels.

Source: Ghasemzadeh, Samragh and Koushanfar, arXiv:1711.01243; MASE's layers of the same names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.modules.binary import ScaledWeight
from chop.nn.quantized.modules.conv2d import QuantizedConv2d
from chop.nn.quantized.modules.linear import QuantizedLinear
from chop.nn.quantized.quantized_module import OWN_LAYERS
from chop.nn.quantizers.binary_residual import residual_levels


class ResidualSign(ScaledWeight):
    """Computes ``op(sum of the input's levels, W * |gamma| * pruning_masks) + bias``.

    ``W`` is the binary weight, or with ``binary_training = false`` the weight clipped to [-1, 1]; the input is taken
    as it is with ``data_in_residual_sign = false``.

    Attributes:
        levels: how many levels the input has.
        means: trainable, [levels]: scales of the levels, which begin at ``(levels, ..., 1)`` over their sum.
        pruning_masks: ones in the shape of the weight; not trained.
    """

    means: nn.Parameter

    def _fresh(self) -> None:
        super()._fresh()
        self.levels = int(self.config.get("data_in_levels", 2))
        self.residual_sign = bool(self.config.get("data_in_residual_sign", True))
        self.binary_training = bool(self.config.get("binary_training", True))
        if self.residual_sign:
            steps = torch.arange(self.levels, 0, -1, device=self.weight.device, dtype=self.weight.dtype)
            self.means = nn.Parameter(steps / steps.sum())
        masks = nn.Parameter(torch.ones_like(self.weight), requires_grad=False)
        vars(self).pop("pruning_masks", None)
        self.register_parameter("pruning_masks", masks)

    def get_quantized_weight(self) -> Tensor:
        if self.bypass:
            return self.weight
        if self.binary_training and self.w_quantizer is not None:
            weight = self.w_quantizer(self.weight)
        else:
            weight = self.weight.clamp(-1, 1)
        masks: Tensor = self.get_parameter("pruning_masks")
        return weight * self.gamma.abs() * masks

    def _quantized_input(self, x: Tensor) -> Tensor:
        return residual_levels(self.levels, self.means, x).sum(0) if self.residual_sign else x


class LinearBinaryResidualSign(ResidualSign, QuantizedLinear):
    """The fully connected layer on levels of signs; see :class:`ResidualSign`."""

    quantizer_name = "binary_residual"

    def forward(self, x: Tensor) -> Tensor:
        if self.bypass:
            return F.linear(x, self.weight, self.bias)
        return F.linear(self._quantized_input(x), self.get_quantized_weight(), self.bias)


class Conv2dBinaryResidualSign(ResidualSign, QuantizedConv2d):
    """The convolution over two dimensions on levels of signs; see :class:`ResidualSign`."""

    quantizer_name = "binary_residual"

    def forward(self, x: Tensor) -> Tensor:
        if self.bypass:
            return self._conv_forward(x, self.weight, self.bias)
        made: Any = self._conv_forward(self._quantized_input(x), self.get_quantized_weight(), self.bias)
        return made


OWN_LAYERS["linear", "binary_residual"] = LinearBinaryResidualSign
OWN_LAYERS["conv2d", "binary_residual"] = Conv2dBinaryResidualSign
