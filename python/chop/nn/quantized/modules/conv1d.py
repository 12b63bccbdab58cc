"""The convolution over one dimension with quantized operands."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.convolution import QuantizedConvolution
from chop.nn.quantized.quantized_module import derive_by_class_name, derive_module


class QuantizedConv1d(QuantizedConvolution, nn.Conv1d):
    """Quantizes input, weight and bias on each call, then convolves over one dimension.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode: as
            ``torch.nn.Conv1d``; so are device and dtype.
        config: name, ``data_in_*``, ``weight_*``, ``bias_*`` (default: the weight's), optional bypass.

    Shape:
        ``[batch, in_channels, length]`` or ``[in_channels, length]``, as ``torch.nn.Conv1d``.

    Raises:
        ConfigError: a config that the quantizer refuses.

    >>> import torch
    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}
    >>> config |= {"weight_width": 8, "weight_frac_width": 4}
    >>> layer = Conv1dInteger(1, 4, 3, padding=1, config=config)
    >>> layer(torch.zeros(2, 1, 16)).shape
    torch.Size([2, 4, 16])
    """

    mase_op = "conv1d"
    float_type = nn.Conv1d

    def forward(self, x: Tensor) -> Tensor:
        fused = None if self.bypass or x.dim() != 3 else self._fused_road(x)
        if fused is None:
            return super().forward(x)
        padding = self.padding[0]
        if isinstance(self.padding, str) or self.padding_mode != "zeros":
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            x, padding = F.pad(x, self._reversed_padding_repeated_twice, mode), 0
        return fused.conv1d(x, self.weight, self.bias, self.stride[0], padding, self.dilation[0], self.groups)


Conv1dInteger = derive_module(QuantizedConv1d, "integer")


def __getattr__(name: str) -> Any:
    return derive_by_class_name(QuantizedConv1d, name)
