"""Bits of operands whose channels, features or weights have formats of their own, and of the products between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from chop.nn.quantizers import ElementFormat, ElementQuantizer, IntegerFormat, integer_quantizer

Numbers = npt.NDArray[np.float64]
Format = IntegerFormat | ElementFormat


class Bits(NamedTuple):
    """Of each element, in the shape of its format, or one number for all.

    Attributes:
        width: all bits.
        magnitude: those without the sign; 0 where the width is 0.
        declared: as HGQ2 counts them: with the sign where the format saturates.
    """

    width: Numbers
    magnitude: Numbers
    declared: Numbers

    @property
    def means(self) -> tuple[float, float, float]:
        """The means over the elements."""
        return float(self.width.mean()), float(self.magnitude.mean()), float(self.declared.mean())


class JointBits(NamedTuple):
    """Bits of an input times bits of the weight that it meets, mean over the weights.

    Attributes:
        width: widths of both.
        effective, effective_magnitude: width, and width without the sign, of the input times the effective bits of the
            weight's code; None where the weights' numbers are not at hand.
        declared: as HGQ2 counts both, by how often each tap of a convolution meets no padding.
    """

    width: float
    effective: float | None
    effective_magnitude: float | None
    declared: float


def bits_of(format: Format) -> Bits:
    """Return the bits of each element.

    >>> bits_of(ElementFormat.of([4, 0], 2)).means
    (2.0, 1.5, 2.0)
    """
    width = np.asarray(format.widths if isinstance(format, ElementFormat) else format.width, np.float64)
    magnitude = np.maximum(width - format.is_signed, 0.0)
    return Bits(width, magnitude, magnitude if format.overflow == "wrap" else width)


def joint_bits(
    data_in: Format,
    weight: Format,
    shape: Sequence[int],
    channels: int,
    values: Tensor | None,
    tap_uses: Sequence[float] | None = None,
) -> JointBits:
    """Return the bits of the products of a layer.

    Args:
        data_in, weight: formats that fit the layer.
        shape: of the weight, ``[out, in / groups, taps…]``.
        channels: of the input, all groups together.
        values: the weights' numbers, float32, of that shape; None: unknown.
        tap_uses: how often each tap is multiplied by a number that pads nothing, in the kernel's order; None: equally
            often.
    """
    x, w = bits_of(data_in), Bits(*(_over(b, shape) for b in bits_of(weight)))
    width, magnitude, declared = (_met(b, shape, channels) for b in x)
    uses = np.ones(1) if tap_uses is None else np.asarray(tap_uses, np.float64).reshape(shape[2:])
    effective = None if values is None else effective_bits(values, weight)
    return JointBits(
        float((width * w.width).mean()),
        None if effective is None else float((width * effective).mean()),
        None if effective is None else float((magnitude * effective).mean()),
        float((declared * w.declared * uses).mean() / uses.mean()) if uses.any() else 0.0,
    )


def effective_bits(values: Tensor, format: Format) -> Numbers:
    """Return, for each weight, the bits from the highest to the lowest set bit of its code; the width for a NaN.

    >>> import torch
    >>> effective_bits(torch.tensor([[0.75, 4.0], [0.3, 9.0]]), ElementFormat.of([[8, 8], [0, 4]], [[4, 4], [0, 0]]))
    array([[2., 1.],
           [0., 3.]])
    """
    fracs: Numbers
    if isinstance(format, ElementFormat):
        on_grid = ElementQuantizer(format)(values)
        fracs = _over(format.frac_widths.astype(np.float64), values.shape)
    else:
        modes = format.is_signed, format.rounding, format.overflow
        on_grid = integer_quantizer(values, format.width, format.frac_width, *modes)
        fracs = np.full(1, float(format.frac_width))
    codes = np.abs(on_grid.double().numpy()) * 2.0**fracs
    whole = np.nan_to_num(codes).astype(np.int64)
    lowest = whole & -whole
    span = np.frexp(whole.astype(np.float64))[1] - np.frexp(lowest.astype(np.float64))[1] + (whole > 0)
    return np.where(np.isnan(codes), _over(bits_of(format).width, values.shape), span).astype(np.float64)


def _over(numbers: Numbers, shape: Sequence[int]) -> Numbers:
    """Numbers of weights, or of output channels, in the shape of the weight."""
    if numbers.ndim == 1:
        numbers = numbers.reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(numbers, tuple(shape))


def _met(numbers: Numbers, shape: Sequence[int], channels: int) -> Numbers:
    """Numbers of input channels, for each weight that of the channel that it is multiplied by."""
    if numbers.ndim == 0:
        return numbers
    outputs, inputs = shape[:2]
    groups = channels // inputs
    by_group = np.repeat(numbers.reshape(groups, inputs), outputs // groups, axis=0)
    return by_group.reshape(outputs, inputs, *[1] * (len(shape) - 2))
