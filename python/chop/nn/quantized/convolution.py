"""What the quantized convolutions share, whatever their number of dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from chop.nn.quantized.layer_state import copy_parameters
from chop.nn.quantized.weighted_module import QuantizedWeightModule


class QuantizedConvolution(QuantizedWeightModule, _ConvNd):
    """Base of the quantized convolutions: the constructor's arguments are torch's and ``config``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        super().__init__(*sizes, bias, padding_mode, device, dtype)  # type: ignore[arg-type]
        self._set_config(config)

    def forward(self, x: Tensor) -> Tensor:
        if self.bypass:
            return self._conv_forward(x, self.weight, self.bias)
        return self._conv_forward(
            self._quantized_input(x), self.get_quantized_weight(), self._quantized_bias()
        )

    @classmethod
    def from_float(cls, module: nn.Module, config: Mapping[str, Any]) -> Self:
        assert isinstance(module, _ConvNd)
        made = cls(**_sizes(module), device="meta", config=config)
        copy_parameters(module, made)
        return made

    def to_float(self) -> nn.Module:
        made = self.float_type(**_sizes(self), device="meta")
        copy_parameters(self, made)
        return made


def _sizes(module: _ConvNd) -> dict[str, Any]:
    names = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
    )
    return {**{name: getattr(module, name) for name in names}, "bias": module.bias is not None}
