"""Whole layers on the integer grid in one operator call; see ``torch.ops.chop.linear_integer``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from chop.nn.quantizers.format import IntegerFormat

# Class attributes of layers would drag the operators into copies and pickles, which they refuse.
_linear = torch.ops.chop.linear_integer.default
_conv1d = torch.ops.chop.conv1d_integer.default


@dataclass(frozen=True, slots=True)
class FusedInteger:
    """Formats of a layer as the operators take them: width and fraction width of input, weight, bias.

    Then, unless all are the usual ones, rounding and overflow of input, weight, bias.

    >>> fused = FusedInteger((8, 4, 8, 4, 8, 4))
    >>> fused.linear(torch.tensor([[0.3]]), torch.tensor([[2.0]]), None)
    tensor([[0.6250]])
    """

    numbers: tuple[int, ...]

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``[..., in]`` to ``[..., out]``."""
        return _linear(x, weight, bias, *self.numbers)

    def conv1d(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: int,
        dilation: int,
        groups: int,
    ) -> Tensor:
        """``[batch, in, length]`` to ``[batch, out, length]``; ``padding`` zeros on both sides."""
        return _conv1d(x, weight, bias, stride, padding, dilation, groups, *self.numbers)


def fused_integer(formats: Mapping[str, IntegerFormat]) -> FusedInteger | None:
    """Return the fused form of a layer with input, weight and bias, None if no operator expresses it."""
    operands = [formats.get(name) for name in ("data_in", "weight", "bias")]
    if not all(format is not None and format.is_signed for format in operands):
        return None
    formats_ = [format for format in operands if format is not None]
    widths = tuple(n for f in formats_ for n in (f.width, f.frac_width))
    modes = tuple(n for f in formats_ for n in f.mode_numbers)
    return FusedInteger(widths + modes if any(modes) else widths)
