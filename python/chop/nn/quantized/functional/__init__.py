"""Quantized functions and the map of their names: ``add_integer``, ``relu_integer``, … for each quantizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from chop.nn.quantized.functional import add, bmm, matmul, mult, relu, sub
from chop.nn.quantized.functional.add import add_integer
from chop.nn.quantized.functional.bmm import bmm_integer
from chop.nn.quantized.functional.matmul import matmul_integer
from chop.nn.quantized.functional.mult import mul_integer, mult_integer
from chop.nn.quantized.functional.quantized_function import QuantizedFunction
from chop.nn.quantized.functional.relu import relu_integer
from chop.nn.quantized.functional.sub import sub_integer
from chop.nn.quantizers import QUANTIZERS
from chop.registry import UnknownNameError, did_you_mean

__all__ = [
    "add_integer",
    "bmm_integer",
    "matmul_integer",
    "mul_integer",
    "mult_integer",
    "quantized_func_map",
    "quantized_function_op",
    "relu_integer",
    "sub_integer",
]

FUNCTIONS: dict[str, QuantizedFunction] = {
    module.FUNCTION.mase_op: module.FUNCTION for module in (add, bmm, matmul, mult, relu, sub)
}
_BY_STEM = {function.stem: function.mase_op for function in FUNCTIONS.values()}


class _QuantizedFunctionMap(Mapping[str, Callable[..., Tensor]]):
    """``<operation>_<quantizer> -> function``, for the quantizers registered at the moment of asking.

    >>> quantized_func_map["add_fixed"].__name__
    'add_integer'
    """

    def __getitem__(self, name: str) -> Callable[..., Tensor]:
        mase_op, _, quantizer = str(name).partition("_")
        if mase_op in FUNCTIONS and quantizer in QUANTIZERS and QUANTIZERS[quantizer].operations is None:
            return FUNCTIONS[mase_op].derive(QUANTIZERS[quantizer].name)
        raise UnknownNameError(f"quantized function {name!r} is not known{did_you_mean(name, self)}")

    def __iter__(self) -> Iterator[str]:
        known = [name for name, spec in QUANTIZERS.items() if spec.operations is None]
        return (f"{mase_op}_{quantizer}" for mase_op in FUNCTIONS for quantizer in known)

    def __len__(self) -> int:
        return sum(1 for _ in self)


quantized_func_map: Mapping[str, Callable[..., Tensor]] = _QuantizedFunctionMap()


def quantized_function_op(target: Any) -> str | None:
    """Return the operation (``"relu"``) that a quantized function computes, None for any other object."""
    module = getattr(target, "__module__", None)
    if not isinstance(module, str) or not module.startswith(f"{__name__}."):
        return None
    return _BY_STEM.get(getattr(target, "__name__", "").partition("_")[0])
