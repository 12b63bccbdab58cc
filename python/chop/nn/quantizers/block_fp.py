"""Block floating point (MSFP): sign and magnitude of some bits, one exponent for a block.

Source: Rouhani et al., "Pushing the Limits of Narrow Precision Inferencing at Cloud Scale with Microsoft Floating
Point", NeurIPS 2020; MASE's ``block_fp_quantizer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from chop.nn.quantizers.blocks import BLOCK_SIZE, SKIP_FIRST_DIM, BlockSpec, first_dim
from chop.nn.quantizers.fields import Field, Whole
from chop.nn.quantizers.minifloat_ieee import EXPONENT_BIAS, WIDTH
from chop.nn.quantizers.number_format import NumberFormat, pairs
from chop.nn.quantizers.spec import QUANTIZERS
from chop.nn.quantizers.value_spec import autograd_function, quantize_by


def block_fp_quantizer(
    x: Tensor,
    width: int = 12,
    exponent_width: int = 8,
    exponent_bias: int | None = None,
    block_size: int | Sequence[int] = (16,),
    skip_first_dim: bool | None = True,
) -> Tensor:
    """Round the numbers of each block to multiples of one power of two, as large as the largest of them needs.

    Args:
        x: real tensor of any shape; the dtype stays.
        width: bits of a number, sign included, the exponent not.
        exponent_width: bits of the exponent that a block shares.
        exponent_bias: None means ``2**(exponent_width - 1) - 1``.
        block_size: numbers of a block in each dimension, aligned to the right of the shape; -1, what is missing on the
            left, and more than there are mean the whole dimension. A number is a list of one.
        skip_first_dim: whether a block holds one first index only; of more than three dimensions, all but the last two
            count as the first. None: for more than two dimensions.

    Returns:
        Same shape; ties to even. NaN stays and counts for nothing in its block; an infinity becomes the largest value
        of the largest exponent. The gradient is that of the identity.

    Raises:
        ConfigError: a number out of range.

    >>> import torch
    >>> block_fp_quantizer(torch.tensor([[1.0, 0.5, 0.3]]), 4, 8, None, [3])
    tensor([[1.0000, 0.5000, 0.2500]])
    """
    return quantize_by(
        SPEC,
        block_fp_quantizer,
        x,
        width=width,
        exponent_width=exponent_width,
        exponent_bias=exponent_bias,
        block_size=block_size,
        skip_first_dim=skip_first_dim,
    )


class BlockFPSpec(BlockSpec):
    """Fields of an operand: ``width``, ``exponent_width``, ``exponent_bias`` (None or a number), ``block_size``."""

    name = "block_fp"
    class_suffix = "BlockFP"
    fields = ("width", "exponent_width", "exponent_bias", "block_size")
    kinds: ClassVar[Mapping[str, Field]] = {
        "width": WIDTH,
        "exponent_width": Whole(1, 16),
        "exponent_bias": EXPONENT_BIAS,
        "block_size": BLOCK_SIZE,
        "skip_first_dim": SKIP_FIRST_DIM,
    }
    usual: ClassVar[Mapping[str, Any]] = {"exponent_width": 8, "exponent_bias": None, "block_size": [1, 16]}
    function = staticmethod(block_fp_quantizer)

    def make_format(
        self,
        where: str,
        width: int = 12,
        exponent_width: int = 8,
        exponent_bias: int | None = None,
        block_size: Any = (16,),
        skip_first_dim: bool | None = True,
    ) -> NumberFormat:
        bias = 2 ** (exponent_width - 1) - 1 if exponent_bias is None else exponent_bias
        arguments = {
            "width": width,
            "exponent_width": exponent_width,
            "exponent_bias": exponent_bias,
            "block_size": block_size,
            "skip_first_dim": skip_first_dim,
        }
        numbers = float(width), float(exponent_width), float(bias)
        return NumberFormat(
            self.name,
            pairs(arguments),
            numbers,
            width,
            exponent_width,
            tuple(block_size),
            first_dim(skip_first_dim),
        )


SPEC = BlockFPSpec()
QUANTIZERS[SPEC.name] = SPEC
BlockFPQuantize = autograd_function("BlockFPQuantize", block_fp_quantizer)
