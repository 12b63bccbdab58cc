"""Quantized layers and the map of their names: ``linear_integer``, ``relu_integer``, … for each quantizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chop.nn.quantized.modules.conv1d import Conv1dInteger, QuantizedConv1d
from chop.nn.quantized.modules.conv2d import Conv2dInteger, QuantizedConv2d
from chop.nn.quantized.modules.linear import LinearInteger, QuantizedLinear
from chop.nn.quantized.modules.relu import QuantizedReLU, ReLUInteger
from chop.nn.quantized.quantized_module import QuantizedModule, derive_by_class_name, derive_module
from chop.nn.quantizers import QUANTIZERS
from chop.registry import UnknownNameError, did_you_mean

__all__ = [
    "Conv1dInteger",
    "Conv2dInteger",
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


class _QuantizedModuleMap(Mapping[str, type[QuantizedModule]]):
    """``<operation>_<quantizer> -> class``, for the quantizers registered at the moment of asking.

    >>> quantized_module_map["linear_integer"].__name__
    'LinearInteger'
    """

    def __getitem__(self, name: str) -> type[QuantizedModule]:
        mase_op, _, quantizer = str(name).partition("_")
        if mase_op in LAYERS and quantizer in QUANTIZERS:
            return derive_module(LAYERS[mase_op], QUANTIZERS[quantizer].name)
        raise UnknownNameError(f"quantized module {name!r} is not known{did_you_mean(name, self)}")

    def __iter__(self) -> Iterator[str]:
        return (f"{mase_op}_{quantizer}" for mase_op in LAYERS for quantizer in QUANTIZERS)

    def __len__(self) -> int:
        return len(LAYERS) * len(QUANTIZERS)


quantized_module_map: Mapping[str, type[QuantizedModule]] = _QuantizedModuleMap()


def __getattr__(name: str) -> Any:
    for base in LAYERS.values():
        if name.startswith(base.float_type.__name__):
            return derive_by_class_name(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
