"""The fully connected layer with quantized operands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.layer_state import copy_parameters
from chop.nn.quantized.quantized_module import derive_by_class_name, derive_module
from chop.nn.quantized.weighted_module import QuantizedWeightModule


class QuantizedLinear(QuantizedWeightModule, nn.Linear):
    """Quantizes input, weight and bias on each call, then computes ``x @ weight.T + bias``.

    Args:
        in_features, out_features, bias, device, dtype: as ``torch.nn.Linear``.
        config: name, ``data_in_*``, ``weight_*``, ``bias_*`` (default: the weight's), optional bypass.

    Shape:
        ``[..., in_features]`` to ``[..., out_features]``.

    Raises:
        ConfigError: a config that the quantizer refuses.
    """

    mase_op = "linear"
    float_type = nn.Linear

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self._set_config(config)

    def forward(self, x: Tensor) -> Tensor:
        if self.bypass:
            return F.linear(x, self.weight, self.bias)
        if (fused := self._fused_road(x)) is not None:
            return fused.linear(x, self.weight, self.bias)
        return F.linear(self._quantized_input(x), self.get_quantized_weight(), self._quantized_bias())

    @classmethod
    def from_float(cls, module: nn.Module, config: Mapping[str, Any]) -> Self:
        assert isinstance(module, nn.Linear)
        has_bias = module.bias is not None
        # The meta device: no memory and no random numbers are spent on weights that are replaced at once.
        made = cls(module.in_features, module.out_features, has_bias, device="meta", config=config)
        copy_parameters(module, made)
        return made

    def to_float(self) -> nn.Linear:
        made = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        copy_parameters(self, made)
        return made


LinearInteger = derive_module(QuantizedLinear, "integer")


def __getattr__(name: str) -> Any:
    return derive_by_class_name(QuantizedLinear, name)
