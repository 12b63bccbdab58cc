"""Quantized functions and the map of their names: ``relu_integer``, … for each quantizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from chop.nn.quantized.functional.relu import derive_relu, relu_integer
from chop.nn.quantizers import QUANTIZERS
from chop.registry import UnknownNameError, did_you_mean

__all__ = ["quantized_func_map", "quantized_function_op", "relu_integer"]

FUNCTIONS: dict[str, Callable[[str], Callable[..., Tensor]]] = {"relu": derive_relu}


class _QuantizedFunctionMap(Mapping[str, Callable[..., Tensor]]):
    """``<operation>_<quantizer> -> function``, for the quantizers registered at the moment of asking."""

    def __getitem__(self, name: str) -> Callable[..., Tensor]:
        mase_op, _, quantizer = str(name).partition("_")
        if mase_op in FUNCTIONS and quantizer in QUANTIZERS:
            return FUNCTIONS[mase_op](QUANTIZERS[quantizer].name)
        raise UnknownNameError(f"quantized function {name!r} is not known{did_you_mean(name, self)}")

    def __iter__(self) -> Iterator[str]:
        return (f"{mase_op}_{quantizer}" for mase_op in FUNCTIONS for quantizer in QUANTIZERS)

    def __len__(self) -> int:
        return len(FUNCTIONS) * len(QUANTIZERS)


quantized_func_map: Mapping[str, Callable[..., Tensor]] = _QuantizedFunctionMap()


def quantized_function_op(target: Any) -> str | None:
    """Return the operation (``"relu"``) that a quantized function computes, None for any other object."""
    module = getattr(target, "__module__", None)
    if not isinstance(module, str) or not module.startswith(f"{__name__}."):
        return None
    mase_op = getattr(target, "__name__", "").partition("_")[0]
    return mase_op if mase_op in FUNCTIONS else None
