"""Batched matrix product of two quantized operands."""

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


def bmm_integer(x: Tensor, y: Tensor, config: Mapping[str, Any] | None = None) -> Tensor:
    """Quantize ``x`` in the ``data_in_*`` and ``y`` in the ``weight_*`` format, then multiply the matrices.

    Args:
        x, y: tensors of shape ``[batch, n, k]`` and ``[batch, k, m]``.
        config: name, ``data_in_*``, ``weight_*``, optional bypass.

    Raises:
        ConfigError: a config that the quantizer refuses.

    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 2}
    >>> weight = {"weight_width": 8, "weight_frac_width": 1}
    >>> bmm_integer(torch.ones(2, 1, 3), torch.ones(2, 3, 1), config | weight).flatten()
    tensor([3., 3.])
    """
    return quantized_binary(bmm_integer, "bmm", "integer", torch.bmm, x, y, config)


def _make(quantizer: str) -> Any:
    def bmm(x: Any, y: Any, config: Mapping[str, Any] | None = None) -> Any:
        return quantized_binary(bmm, "bmm", quantizer, torch.bmm, x, y, config)

    return bmm


FUNCTION = QuantizedFunction("bmm", torch.bmm, maker(bmm_integer, _make, "bmm"), "bmm")
__getattr__ = derived_attribute(__name__, "bmm", FUNCTION.derive)
