"""Small floats whose exponent bias is shared by a block.

Source: Fox et al., "A Block Minifloat Representation for Training Deep Neural Networks", ICLR 2021; MASE's
``block_minifloat_quantizer``, with the shared bias that lets the top exponent be that of the largest number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from chop.nn.quantizers.blocks import BLOCK_SIZE, SKIP_FIRST_DIM, BlockSpec, first_dim
from chop.nn.quantizers.fields import Field, Whole
from chop.nn.quantizers.minifloat_ieee import EXPONENT_WIDTH, WIDTH
from chop.nn.quantizers.number_format import NumberFormat, pairs
from chop.nn.quantizers.spec import QUANTIZERS
from chop.nn.quantizers.value_spec import Biases, autograd_function, quantize_by
from chop.tools.errors import ConfigError

EXPONENT_BIAS_WIDTH = Whole(1, 16)


def block_minifloat_quantizer(
    x: Tensor,
    width: int,
    exponent_width: int,
    exponent_bias_width: int,
    block_size: int | Sequence[int] = (16,),
    skip_first_dim: bool | None = False,
) -> Tensor:
    """Bring each block to ``minifloat_ieee`` with the bias that makes its largest number's exponent the top one.

    Args:
        x: real tensor of any shape; the dtype stays.
        width, exponent_width: as for ``minifloat_ieee_quantizer``.
        exponent_bias_width: bits of the unsigned bias that a block shares: it is clipped to what they hold.
        block_size, skip_first_dim: as for ``block_fp_quantizer``.

    Returns:
        Same shape. NaN stays and counts for nothing in its block. The gradient is that of the identity.

    Raises:
        ConfigError: a number out of range.

    >>> import torch
    >>> block_minifloat_quantizer(torch.tensor([0.01, 0.0123, -0.002]), 6, 2, 8, [3])
    tensor([ 0.0098,  0.0127, -0.0020])
    """
    return quantize_by(
        SPEC,
        block_minifloat_quantizer,
        x,
        width=width,
        exponent_width=exponent_width,
        exponent_bias_width=exponent_bias_width,
        block_size=block_size,
        skip_first_dim=skip_first_dim,
    )


class BlockMinifloatSpec(BlockSpec):
    """Fields of an operand: ``width``, ``exponent_width``, ``exponent_bias_width``, ``block_size``."""

    name = "block_minifloat"
    class_suffix = "BlockMinifloat"
    fields = ("width", "exponent_width", "exponent_bias_width", "block_size")
    kinds: ClassVar[Mapping[str, Field]] = {
        "width": WIDTH,
        "exponent_width": EXPONENT_WIDTH,
        "exponent_bias_width": EXPONENT_BIAS_WIDTH,
        "block_size": BLOCK_SIZE,
        "skip_first_dim": SKIP_FIRST_DIM,
    }
    usual: ClassVar[Mapping[str, Any]] = {"exponent_bias_width": 8, "block_size": [1, 16]}
    function = staticmethod(block_minifloat_quantizer)

    def make_format(
        self,
        where: str,
        width: int,
        exponent_width: int,
        exponent_bias_width: int,
        block_size: Any = (16,),
        skip_first_dim: bool | None = False,
    ) -> NumberFormat:
        if exponent_width >= width:
            raise ConfigError(
                f"{where}exponent_width must leave a bit for the sign, got {exponent_width} of {width}"
            )
        arguments = {
            "width": width,
            "exponent_width": exponent_width,
            "exponent_bias_width": exponent_bias_width,
            "block_size": block_size,
            "skip_first_dim": skip_first_dim,
        }
        return NumberFormat(
            self.name,
            pairs(arguments),
            (float(width), float(exponent_width), float(exponent_bias_width)),
            width,
            exponent_bias_width,
            tuple(block_size),
            first_dim(skip_first_dim),
            digits=width - exponent_width,
        )

    def choices(self, entries: Mapping[str, Any], biases: Biases) -> list[dict[str, Any]]:
        given = {**self.usual, **entries}
        widths = [given["exponent_width"]] if "exponent_width" in given else range(1, min(given["width"], 10))
        return [{**given, "exponent_width": width} for width in widths]


SPEC = BlockMinifloatSpec()
QUANTIZERS[SPEC.name] = SPEC
BlockMinifloatQuantize = autograd_function("BlockMinifloatQuantize", block_minifloat_quantizer)
