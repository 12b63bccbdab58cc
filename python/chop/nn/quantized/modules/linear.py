"""The fully connected layer with quantized operands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.quantized_module import QuantizedModule, derive_by_class_name, derive_module


class QuantizedLinear(QuantizedModule, nn.Linear):
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
        if self.bypass or self.x_quantizer is None:
            return F.linear(x, self.weight, self.bias)
        bias: Tensor | None = self.bias
        if bias is not None and self.b_quantizer is not None:
            bias = self.b_quantizer(bias)
        return F.linear(self.x_quantizer(x), self.get_quantized_weight(), bias)

    def get_quantized_weight(self) -> Tensor:
        """The weight as the forward uses it, shape ``[out_features, in_features]``."""
        if self.bypass or self.w_quantizer is None:
            return self.weight
        return self.w_quantizer(self.weight)

    @property
    def int_weight(self) -> Tensor:
        """Integer codes of the weight, ``[out_features, in_features]``; times ``scale`` the quantized one.

        Raises:
            ValueError: the layer is bypassed, or the weight holds a NaN.
        """
        return self.spec.codes(self.weight, self._weight_format())

    @property
    def scale(self) -> float:
        """Value of one step of ``int_weight``.

        Raises:
            ValueError: the layer is bypassed.
        """
        return self._weight_format().scale

    def _weight_format(self) -> Any:
        if self.bypass:
            raise ValueError("a bypassed layer has no integer weight")
        return self.formats["weight"]

    @classmethod
    def from_float(cls, module: nn.Module, config: Mapping[str, Any]) -> Self:
        assert isinstance(module, nn.Linear)
        has_bias = module.bias is not None
        # The meta device: no memory and no random numbers are spent on weights that are replaced at once.
        made = cls(module.in_features, module.out_features, has_bias, device="meta", config=config)
        _copy_parameters(module, made)
        return made

    def to_float(self) -> nn.Linear:
        made = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        _copy_parameters(self, made)
        return made


def _copy_parameters(source: nn.Linear, target: nn.Linear) -> None:
    # By attribute: a pruned or weight-normed layer has a computed weight and parameters of other names.
    for name in ("weight", "bias"):
        tensor = getattr(source, name)
        if tensor is not None:
            setattr(target, name, nn.Parameter(tensor.detach().clone(), tensor.requires_grad))
    target.train(source.training)


LinearInteger = derive_module(QuantizedLinear, "integer")


def __getattr__(name: str) -> Any:
    return derive_by_class_name(QuantizedLinear, name)
