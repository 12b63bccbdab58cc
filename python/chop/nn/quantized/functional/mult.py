"""Product, element by element, of two quantized operands."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from chop.nn.quantized.functional.quantized_function import (
    QuantizedFunction,
    derived_attribute,
    maker,
    quantized_binary,
)


def mult_integer(x: Tensor | float, y: Tensor | float, config: Mapping[str, Any] | None = None) -> Tensor:
    """Quantize both operands in the ``data_in_*`` format of ``config``, then multiply element by element.

    Args:
        x, y: tensors that broadcast, or one of them a Python number; whole numbers are not quantized (MASE's
            behaviour).
        config: name, ``data_in_*``, optional bypass.

    Raises:
        ConfigError: a config that the quantizer refuses.

    >>> import torch
    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 2}
    >>> mult_integer(torch.tensor([0.3, -1.0]), 2.0, config)
    tensor([ 0.5000, -2.0000])
    """
    return quantized_binary(mult_integer, "mul", "integer", operator.mul, x, y, config)


def _make(quantizer: str) -> Any:
    def mult(x: Any, y: Any, config: Mapping[str, Any] | None = None) -> Any:
        return quantized_binary(mult, "mul", quantizer, operator.mul, x, y, config)

    return mult


FUNCTION = QuantizedFunction("mul", operator.mul, maker(mult_integer, _make, "mult"), "mult")
__getattr__ = derived_attribute(__name__, "mult", FUNCTION.derive)

mul_integer = mult_integer
