"""Quantized layers and the map of their names: ``linear_integer``, ``relu_integer``, … for each quantizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chop.nn.quantized.modules.avg_pool2d import AvgPool2dBinary, AvgPool2dTernary
from chop.nn.quantized.modules.binary import Conv2dBinary, Conv2dBinaryScaling, LinearBinaryScaling
from chop.nn.quantized.modules.binary_residual import Conv2dBinaryResidualSign, LinearBinaryResidualSign
from chop.nn.quantized.modules.conv1d import Conv1dInteger, QuantizedConv1d
from chop.nn.quantized.modules.conv2d import Conv2dInteger, QuantizedConv2d
from chop.nn.quantized.modules.linear import LinearInteger, QuantizedLinear
from chop.nn.quantized.modules.relu import QuantizedReLU, ReLUInteger
from chop.nn.quantized.quantized_module import QuantizedModule, derive_by_class_name, derive_module
from chop.nn.quantizers import QUANTIZERS
from chop.registry import UnknownNameError, did_you_mean

__all__ = [
    "AvgPool2dBinary",
    "AvgPool2dTernary",
    "Conv1dInteger",
    "Conv2dBinary",
    "Conv2dBinaryResidualSign",
    "Conv2dBinaryScaling",
    "Conv2dInteger",
    "LinearBinaryResidualSign",
    "LinearBinaryScaling",
    "LinearInteger",
    "QuantizedConv1d",
    "QuantizedConv2d",
    "QuantizedLinear",
    "QuantizedModule",
    "QuantizedReLU",
    "ReLUInteger",
    "quantized_module_map",
]

LAYERS: dict[str, type[QuantizedModule]] = {
    "conv1d": QuantizedConv1d,
    "conv2d": QuantizedConv2d,
    "linear": QuantizedLinear,
    "relu": QuantizedReLU,
}

# Plain pools, which no pass puts into a graph.
_POOLS: dict[str, type[Any]] = {
    "avg_pool2d_binary": AvgPool2dBinary,
    "avg_pool2d_ternary": AvgPool2dTernary,
}


class _QuantizedModuleMap(Mapping[str, type[QuantizedModule]]):
    """``<operation>_<quantizer> -> class``, for the quantizers registered at the moment of asking.

    >>> quantized_module_map["linear_integer"].__name__
    'LinearInteger'
    """

    def __getitem__(self, name: str) -> type[QuantizedModule]:
        if name in _POOLS:
            return _POOLS[name]
        mase_op, _, quantizer = str(name).partition("_")
        if mase_op in LAYERS and quantizer in QUANTIZERS and _exists(mase_op, quantizer):
            return derive_module(LAYERS[mase_op], QUANTIZERS[quantizer].name)
        raise UnknownNameError(f"quantized module {name!r} is not known{did_you_mean(name, self)}")

    def __iter__(self) -> Iterator[str]:
        yield from (f"{op}_{name}" for op in LAYERS for name in QUANTIZERS if _exists(op, name))
        yield from _POOLS

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _exists(mase_op: str, quantizer: str) -> bool:
    operations = QUANTIZERS[quantizer].operations
    return operations is None or mase_op in operations


quantized_module_map: Mapping[str, type[QuantizedModule]] = _QuantizedModuleMap()


def __getattr__(name: str) -> Any:
    for base in LAYERS.values():
        if name.startswith(base.float_type.__name__):
            return derive_by_class_name(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
