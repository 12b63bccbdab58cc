"""Average pools under the names of MASE's binary and ternary ones, which quantize nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


class _PlainPool(nn.AvgPool2d):
    """``torch.nn.AvgPool2d``; the config is kept and changes nothing."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        self.config = dict(config or {})


class AvgPool2dBinary(_PlainPool):
    """``torch.nn.AvgPool2d``, as in MASE."""


class AvgPool2dTernary(_PlainPool):
    """``torch.nn.AvgPool2d``, as in MASE."""
