"""The convolution over two dimensions with quantized operands."""

from __future__ import annotations

from typing import Any

from torch import nn

from chop.nn.quantized.convolution import QuantizedConvolution
from chop.nn.quantized.quantized_module import derive_by_class_name, derive_module


class QuantizedConv2d(QuantizedConvolution, nn.Conv2d):
    """Quantizes input, weight and bias on each call, then convolves over two dimensions.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode: as
            ``torch.nn.Conv2d``; so are device and dtype.
        config: name, ``data_in_*``, ``weight_*``, ``bias_*`` (default: the weight's), optional bypass.

    Shape:
        ``[batch, in_channels, height, width]`` or ``[in_channels, height, width]``, as ``torch.nn.Conv2d``.

    Raises:
        ConfigError: a config that the quantizer refuses.
    """

    mase_op = "conv2d"
    float_type = nn.Conv2d


Conv2dInteger = derive_module(QuantizedConv2d, "integer")


def __getattr__(name: str) -> Any:
    return derive_by_class_name(QuantizedConv2d, name)
