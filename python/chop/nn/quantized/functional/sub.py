"""Difference of two quantized operands."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chop.nn.quantized.functional.quantized_function import (
    QuantizedFunction,
    derived_attribute,
    maker,
    quantized_binary,
)


def _compute(x: Any, y: Any, alpha: float = 1) -> Any:
    return x - y if alpha == 1 else torch.sub(x, y, alpha=alpha)


def sub_integer(
    x: Tensor | float, y: Tensor | float, config: Mapping[str, Any] | None = None, *, alpha: float = 1
) -> Tensor:
    """Quantize both operands in the ``data_in_*`` format of ``config``, then subtract ``y`` from ``x``.

    Args:
        x, y: tensors that broadcast, or one of them a Python number; whole numbers are not quantized (MASE's
            behaviour).
        config: name, ``data_in_*``, optional bypass.
        alpha: factor of ``y`` after it was quantized, as in ``torch.sub``.

    Raises:
        ConfigError: a config that the quantizer refuses.

    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 2}
    >>> sub_integer(torch.tensor([0.3, -1.0]), 1.0, config)
    tensor([-0.7500, -2.0000])
    """
    return quantized_binary(sub_integer, "sub", "integer", _compute, x, y, config, alpha)


def _make(quantizer: str) -> Any:
    def sub(x: Any, y: Any, config: Mapping[str, Any] | None = None, *, alpha: float = 1) -> Any:
        return quantized_binary(sub, "sub", quantizer, _compute, x, y, config, alpha)

    return sub


FUNCTION = QuantizedFunction("sub", operator.sub, maker(sub_integer, _make, "sub"), "sub")
__getattr__ = derived_attribute(__name__, "sub", FUNCTION.derive)
