"""What the formats of the OCP microscaling standard share.

Source: OCP Microscaling Formats (MX) Specification, version 1.0: blocks along one dimension share the scale
``2^clip(floor(log2 M) - emax, -127, 127)``, M the largest magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from torch import Tensor

from chop.nn.quantizers.fields import Field, Whole
from chop.nn.quantizers.number_format import NumberFormat, pairs
from chop.nn.quantizers.value_spec import ValueSpec, quantize_by

_MOST_DIMS = 16
_SCALE_BITS = 8
_DIGITS = {"mxint8": 8, "mxfp8_e4m3": 4, "mxfp8_e5m2": 3, "mxfp6_e3m2": 3, "mxfp6_e2m3": 4, "mxfp4": 2}

_DOC = """Bring each block of ``x`` to {name}: elements {elements}, a scale of 8 bits a block.

    Args:
        x: real tensor of any shape; the dtype stays.
        block_size: numbers that share a scale; the standard's are 32. The last block of a row may be short.
        block_dim: the dimension that blocks go along.

    Returns:
        Same shape. Elements are rounded to nearest, ties to even, and saturate. NaN stays and counts for nothing in
        its block; an infinity counts as the largest number that the largest scale gives. The gradient is that of the
        identity.

    Raises:
        ConfigError: a number out of range.
    """


class MXSpec(ValueSpec):
    """One format of the standard. Nothing is needed but its name.

    Optional: ``<operand>_block_size`` (32). Blocks go along what a product sums: the last dimension of a linear
    layer's input and weight, the channels of a convolution's, the second but last of a product's second factor; of
    anything else along the last.
    """

    fields = ()
    optional_fields: ClassVar[Mapping[str, Any]] = MappingProxyType({"block_size": 32})
    listed = ("width", "block_size")
    kinds: ClassVar[Mapping[str, Field]] = {
        "block_size": Whole(1, 2**31 - 1),
        "block_dim": Whole(-_MOST_DIMS, _MOST_DIMS - 1),
    }
    broadcasts = True

    def __init__(self, name: str, class_suffix: str, width: int, elements: str) -> None:
        self.name, self.class_suffix, self.width = name, class_suffix, width
        self.function = self._quantizer(elements)

    def _quantizer(self, elements: str) -> Callable[..., Tensor]:
        def quantizer(x: Tensor, block_size: int = 32, block_dim: int = -1) -> Tensor:
            if block_dim >= 0 and isinstance(x, Tensor):
                block_dim -= x.dim()
            return quantize_by(self, quantizer, x, block_size=block_size, block_dim=block_dim)

        quantizer.__name__ = quantizer.__qualname__ = f"{self.name}_quantizer"
        quantizer.__module__ = f"{__name__.rpartition('.')[0]}.{self.name}"
        quantizer.__doc__ = _DOC.format(name=self.name, elements=elements)
        return quantizer

    def make_format(self, where: str, block_size: int = 32, block_dim: int = -1) -> NumberFormat:
        block = [1] * _MOST_DIMS
        block[block_dim] = block_size
        arguments = {"block_size": block_size, "block_dim": block_dim}
        return NumberFormat(
            self.name,
            pairs(arguments),
            (),
            self.width,
            _SCALE_BITS,
            tuple(block),
            digits=_DIGITS[self.name],
        )

    def at_operand(
        self, mase_op: str, operand: str, values: dict[str, Any], as_layer: bool
    ) -> dict[str, Any]:
        if operand == "weight" and mase_op in ("matmul", "bmm"):
            values["block_dim"] = -2
        if mase_op in ("conv1d", "conv2d"):
            dims = 3 if mase_op == "conv1d" else 4
            values["block_dim"] = -1 if operand == "bias" else 1 - dims
        return values
