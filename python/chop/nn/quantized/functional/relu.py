"""ReLU as a function with a quantized input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from chop.nn.quantized.functional.quantized_function import (
    QuantizedFunction,
    derived_attribute,
    maker,
    read_config,
)
from chop.nn.quantizers import QUANTIZERS


def quantized_relu(
    quantizer: str, function: Any, x: Tensor, inplace: bool, config: Mapping[str, Any] | None
) -> Tensor:
    """Body of every ``relu_<quantizer>``; ``function`` is that one itself, the leaf that fx records."""
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, inplace=inplace, config=config)
    formats, bypass = read_config(function.__name__, "relu", quantizer, config)
    if not bypass:
        x = QUANTIZERS[quantizer].quantizer(formats["data_in"])(x)
    return F.relu(x, inplace)


def relu_integer(x: Tensor, inplace: bool = False, config: Mapping[str, Any] | None = None) -> Tensor:
    """Quantize ``x`` without sign, in the ``data_in_*`` format of ``config``, then apply ReLU.

    Args:
        x: float tensor of any shape.
        inplace: the caller's tensor changes only when the config says bypass.
        config: name, ``data_in_*``, optional bypass.

    Raises:
        ConfigError: a config that the quantizer refuses.

    >>> import torch
    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}
    >>> relu_integer(torch.tensor([-1.0, 0.3]), config=config)
    tensor([0.0000, 0.3125])
    """
    return quantized_relu("integer", relu_integer, x, inplace, config)


def _make(quantizer: str) -> Callable[..., Tensor]:
    def relu(x: Tensor, inplace: bool = False, config: Mapping[str, Any] | None = None) -> Tensor:
        return quantized_relu(quantizer, relu, x, inplace, config)

    return relu


FUNCTION = QuantizedFunction("relu", F.relu, maker(relu_integer, _make, "relu"), "relu")
__getattr__ = derived_attribute(__name__, "relu", FUNCTION.derive)
