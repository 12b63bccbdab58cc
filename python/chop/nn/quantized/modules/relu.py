"""ReLU with a quantized input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.layer_state import copy_hooks
from chop.nn.quantized.quantized_module import QuantizedModule, derive_by_class_name, derive_module


class QuantizedReLU(QuantizedModule, nn.ReLU):
    """Quantizes its input without sign (negative values become 0), then applies ReLU; any shape.

    Args:
        inplace: as ``torch.nn.ReLU``; the caller's tensor changes only when bypassed.
        config: name, ``data_in_*``, optional bypass.

    Raises:
        ConfigError: a config that the quantizer refuses.
    """

    mase_op = "relu"
    float_type = nn.ReLU

    def __init__(self, inplace: bool = False, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(inplace)
        self._set_config(config)

    def forward(self, x: Tensor) -> Tensor:
        if not self.bypass and self.x_quantizer is not None:
            x = self.x_quantizer(x)
        return F.relu(x, self.inplace)

    @classmethod
    def from_float(cls, module: nn.Module, config: Mapping[str, Any]) -> Self:
        assert isinstance(module, nn.ReLU)
        made = cls(module.inplace, config)
        copy_hooks(module, made)
        return made

    def to_float(self) -> nn.ReLU:
        made = nn.ReLU(self.inplace)
        copy_hooks(self, made)
        return made


ReLUInteger = derive_module(QuantizedReLU, "integer")


def __getattr__(name: str) -> Any:
    return derive_by_class_name(QuantizedReLU, name)
