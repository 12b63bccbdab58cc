"""Quantized layers that have a weight: linear ones and convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chop.nn.quantized.layer_shapes import layer_shapes, refuse_misfits
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import ElementFormat, NumberFormat
from chop.nn.quantizers.plain import writes_plain
from chop.nn.quantizers.straight_through import is_clipped

_FUSED_DTYPES = (torch.float32, torch.float64)


class QuantizedWeightModule(QuantizedModule):
    """Adds what a weight brings: the quantized weight, its integer codes, copies, and the fused road."""

    weight: Tensor
    bias: Any  # a tensor or None

    def _set_config(self, config: Mapping[str, Any] | None) -> None:
        super()._set_config(config)
        refuse_misfits(self.formats, layer_shapes(self), f"{self.mase_op}_{self.quantizer_name}")
        own_weight = type(self).get_quantized_weight is QuantizedWeightModule.get_quantized_weight
        fused = None if self.bypass or not own_weight else self.spec.fused(self.formats)
        # Whoever replaces a quantizer of a layer gets what that one computes.
        self._fused = (fused, self.x_quantizer, self.w_quantizer, self.b_quantizer)

    def _fused_road(self, x: Tensor) -> Any:
        """The spec's fused object if it computes what the separate quantizers would for ``x``, else None.

        The operators exist for plain CPU tensors. Where torch transforms a call (vmap, grad, autocast, a
        compiled training step) the separate quantizers know how to follow it.
        """
        fused, x_quantizer, w_quantizer, b_quantizer = self._fused
        weight, bias = self.weight, self.bias
        replaced = (
            x_quantizer is not self.x_quantizer
            or w_quantizer is not self.w_quantizer
            or b_quantizer is not self.b_quantizer
        )
        if fused is None or replaced or not (x.is_cpu and weight.is_cpu):
            return None
        if (
            x.dtype not in _FUSED_DTYPES
            or x.dtype != weight.dtype
            or (bias is not None and bias.dtype != x.dtype)
        ):
            return None
        if torch.is_autocast_enabled("cpu") or writes_plain():
            return None
        if not torch.compiler.is_compiling() and is_clipped() and torch.is_grad_enabled():
            return None  # the operators' gradient is the plain one
        if torch.compiler.is_compiling():
            return None if torch.is_grad_enabled() else fused
        return None if torch._C._are_functorch_transforms_active() else fused

    def _quantized_bias(self) -> Tensor | None:
        if self.bias is None or self.b_quantizer is None:
            return self.bias
        return self.b_quantizer(self.bias)

    def _quantized_input(self, x: Tensor) -> Tensor:
        return x if self.x_quantizer is None else self.x_quantizer(x)

    def get_quantized_weight(self) -> Tensor:
        """The weight as the forward uses it, in the shape of ``weight``."""
        if self.bypass or self.w_quantizer is None:
            return self.weight
        return self.w_quantizer(self.weight)

    @property
    def int_weight(self) -> Tensor:
        """Integer codes of the weight, in its shape; times ``scale`` the quantized one.

        Raises:
            ValueError: the layer is bypassed, its format has no integer codes, or the weight holds a NaN.
        """
        return self.spec.codes(self.weight, self._weight_format())

    @property
    def scale(self) -> float:
        """Value of one step of ``int_weight``; with formats of single weights, of the finest of their grids.

        Raises:
            ValueError: the layer is bypassed, or its format has no integer codes.
        """
        format = self._weight_format()
        if isinstance(format, NumberFormat):
            raise ValueError(f"a weight in the format {format} has no integer codes, and so no scale")
        return float((format.common if isinstance(format, ElementFormat) else format).scale)

    def __dir__(self) -> list[str]:
        """The names that a read finds: ``torch.jit.trace`` reads them all, and not every format has integer codes."""
        return [name for name in super().__dir__() if name not in ("int_weight", "scale") or self._has(name)]

    def _has(self, name: str) -> bool:
        try:
            return hasattr(self, name)
        except ValueError:
            return False

    def _weight_format(self) -> Any:
        if self.bypass:
            raise ValueError("a bypassed layer has no integer weight")
        return self.formats["weight"]
