"""Powers of two whose exponent bias is shared by a block.

Source: Miyashita, Lee and Murmann, arXiv:1603.01025, for the logarithmic numbers; MASE's ``block_log_quantizer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from chop.nn.quantizers.block_minifloat import EXPONENT_BIAS_WIDTH
from chop.nn.quantizers.blocks import BLOCK_SIZE, SKIP_FIRST_DIM, BlockSpec, first_dim
from chop.nn.quantizers.fields import Field
from chop.nn.quantizers.log import WIDTH
from chop.nn.quantizers.number_format import NumberFormat, pairs
from chop.nn.quantizers.spec import QUANTIZERS
from chop.nn.quantizers.value_spec import autograd_function, quantize_by
from chop.tools.errors import ConfigError


def block_log_quantizer(
    x: Tensor,
    width: int,
    exponent_bias_width: int | None = None,
    block_size: int | Sequence[int] = (16,),
    skip_first_dim: bool | None = False,
) -> Tensor:
    """Bring each block to ``log`` with the bias that lets the top power be the one above its largest number.

    Args:
        x: real tensor of any shape; the dtype stays.
        width: as for ``log_quantizer``.
        exponent_bias_width: bits of the unsigned bias that a block shares; needed.
        block_size, skip_first_dim: as for ``block_fp_quantizer``.

    Returns:
        Same shape. A zero becomes the smallest value of its block's scale. NaN stays and counts for nothing in its
        block. The gradient is that of the identity.

    Raises:
        ConfigError: a number out of range.

    >>> import torch
    >>> block_log_quantizer(torch.tensor([0.9, 0.3, 0.0]), 3, 8, [3])
    tensor([1.0000, 0.2500, 0.1250])
    """
    return quantize_by(
        SPEC,
        block_log_quantizer,
        x,
        width=width,
        exponent_bias_width=exponent_bias_width,
        block_size=block_size,
        skip_first_dim=skip_first_dim,
    )


class BlockLogSpec(BlockSpec):
    """Fields of an operand: ``width``, ``exponent_bias_width``, ``block_size``."""

    name = "block_log"
    class_suffix = "BlockLog"
    fields = ("width", "exponent_bias_width", "block_size")
    kinds: ClassVar[Mapping[str, Field]] = {
        "width": WIDTH,
        "exponent_bias_width": EXPONENT_BIAS_WIDTH,
        "block_size": BLOCK_SIZE,
        "skip_first_dim": SKIP_FIRST_DIM,
    }
    usual: ClassVar[Mapping[str, Any]] = {"exponent_bias_width": 8, "block_size": [1, 16]}
    function = staticmethod(block_log_quantizer)

    def make_format(
        self,
        where: str,
        width: int,
        exponent_bias_width: int | None = None,
        block_size: Any = (16,),
        skip_first_dim: bool | None = False,
    ) -> NumberFormat:
        if exponent_bias_width is None:
            raise ConfigError(f"{where}exponent_bias_width must be 1..16, got None")
        arguments = {
            "width": width,
            "exponent_bias_width": exponent_bias_width,
            "block_size": block_size,
            "skip_first_dim": skip_first_dim,
        }
        return NumberFormat(
            self.name,
            pairs(arguments),
            (float(width), float(exponent_bias_width)),
            width,
            exponent_bias_width,
            tuple(block_size),
            first_dim(skip_first_dim),
        )


SPEC = BlockLogSpec()
QUANTIZERS[SPEC.name] = SPEC
BlockLogQuantize = autograd_function("BlockLogQuantize", block_log_quantizer)
