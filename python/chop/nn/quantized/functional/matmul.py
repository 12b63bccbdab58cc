"""Matrix product of two quantized operands."""

from __future__ import annotations

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


def matmul_integer(x: Tensor, y: Tensor, config: Mapping[str, Any] | None = None) -> Tensor:
    """Quantize ``x`` in the ``data_in_*`` and ``y`` in the ``weight_*`` format, then multiply the matrices.

    Args:
        x, y: tensors, as ``torch.matmul`` takes them.
        config: name, ``data_in_*``, ``weight_*``, optional bypass.

    Raises:
        ConfigError: a config that the quantizer refuses.

    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 2}
    >>> weight = {"weight_width": 8, "weight_frac_width": 1}
    >>> matmul_integer(torch.tensor([[0.3, 1.0]]), torch.tensor([[2.0], [0.6]]), config | weight)
    tensor([[1.]])
    """
    return quantized_binary(matmul_integer, "matmul", "integer", torch.matmul, x, y, config)


def _make(quantizer: str) -> Any:
    def matmul(x: Any, y: Any, config: Mapping[str, Any] | None = None) -> Any:
        return quantized_binary(matmul, "matmul", quantizer, torch.matmul, x, y, config)

    return matmul


FUNCTION = QuantizedFunction("matmul", torch.matmul, maker(matmul_integer, _make, "matmul"), "matmul")
__getattr__ = derived_attribute(__name__, "matmul", FUNCTION.derive)
