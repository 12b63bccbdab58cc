"""Integers times a scale that may be any number: of a tensor, a channel, a row or a group.

Source: Jacob et al., arXiv:1712.05877; the arithmetic of ``torch.fake_quantize_per_tensor_affine`` with exact division.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from chop.nn.quantizers.fields import Field, Flag, Real, Whole, Word
from chop.nn.quantizers.number_format import NumberFormat, pairs
from chop.nn.quantizers.spec import QUANTIZERS
from chop.nn.quantizers.value_spec import Biases, ValueSpec, quantize_by
from chop.tools.errors import ConfigError

_SCALE_BITS = 32


def scale_integer_quantizer(
    x: Tensor,
    width: int,
    granularity: str | int = "tensor",
    symmetric: bool = True,
    power_of_two: bool = False,
    scale: float | None = None,
    zero_point: int = 0,
) -> Tensor:
    """Bring ``x`` to whole numbers times a scale.

    Args:
        x: real tensor of any shape; the dtype stays.
        width: bits.
        granularity: what shares a scale: ``tensor``; ``channel``, one index of the first dimension; ``row``, the last
            dimension; a number, so many along the last dimension.
        symmetric: codes ``-Q..Q`` with ``Q = 2**(width - 1) - 1``, scale ``max |x| / Q``; else ``0..2**width - 1`` with
            a zero point, scale ``(max - min) / (2**width - 1)``, where 0 lies between min and max.
        power_of_two: the scale is rounded up to a power of two.
        scale: given instead of found; None: found in ``x``.
        zero_point: code of 0, where the scale is given and codes are not symmetric.

    Returns:
        Same shape; ties to even. Zero stays zero. NaN stays. The gradient is that of the identity.

    Raises:
        ConfigError: an argument out of range, or two that do not go together.

    >>> import torch
    >>> scale_integer_quantizer(torch.tensor([1.0, -0.5, 0.2]), 3)
    tensor([ 1.0000, -0.6667,  0.3333])
    """
    return quantize_by(
        SPEC,
        scale_integer_quantizer,
        x,
        width=width,
        granularity=granularity,
        symmetric=symmetric,
        power_of_two=power_of_two,
        scale=scale,
        zero_point=zero_point,
    )


class ScaleIntegerSpec(ValueSpec):
    """Fields of an operand: ``width`` (2..32).

    Optional: ``granularity`` (``tensor`` for weights and biases, ``row`` for data), ``symmetric`` (true),
    ``power_of_two`` (false), ``scale`` (none: found in the numbers), ``zero_point`` (0).
    """

    name = "scale_integer"
    class_suffix = "ScaleInteger"
    fields = ("width",)
    optional_fields: ClassVar[Mapping[str, Any]] = {
        "granularity": None,
        "symmetric": True,
        "power_of_two": False,
        "scale": None,
        "zero_point": 0,
    }
    kinds: ClassVar[Mapping[str, Field]] = {
        "width": Whole(2, 32),
        "granularity": Word(("tensor", "channel", "row"), or_number=True, or_none=True),
        "symmetric": Flag(),
        "power_of_two": Flag(),
        "scale": Real(positive=True),
        "zero_point": Whole(0, 2**32 - 1),
    }
    searched = frozenset({"scale"})
    function = staticmethod(scale_integer_quantizer)

    def make_format(
        self,
        where: str,
        width: int,
        granularity: str | int | None = "tensor",
        symmetric: bool = True,
        power_of_two: bool = False,
        scale: float | None = None,
        zero_point: int = 0,
    ) -> NumberFormat:
        granularity = "tensor" if granularity is None else granularity
        if zero_point and (scale is None or symmetric):
            raise ConfigError(
                f"{where}zero_point needs a given scale and symmetric = false, got {zero_point} without"
            )
        if zero_point >= 2**width:
            raise ConfigError(f"{where}zero_point must be 0..{2**width - 1}, got {zero_point}")
        blocks: Any = {"tensor": (-1,), "channel": (-1,), "row": (*[1] * 15, -1)}
        block = blocks[granularity] if isinstance(granularity, str) else (*[1] * 15, granularity)
        arguments = {
            "width": width,
            "granularity": granularity,
            "symmetric": symmetric,
            "power_of_two": power_of_two,
            "scale": scale,
            "zero_point": zero_point,
        }
        numbers = float(width), float(symmetric), float(power_of_two), scale or 0.0, float(zero_point)
        shared = (
            0 if scale is not None else (8 if power_of_two else _SCALE_BITS) + (0 if symmetric else width)
        )
        first = "rows" if granularity == "channel" else "keep"
        return NumberFormat(
            self.name, pairs(arguments), numbers, width, shared, block if scale is None else (), first
        )

    def choices(self, entries: Mapping[str, Any], biases: Biases) -> list[dict[str, Any]]:
        if entries.get("scale") != "best":
            return super().choices(entries, biases)
        if not entries.get("symmetric", True):
            raise ConfigError(
                f"{self.name}: the best scale is known for symmetric codes, got symmetric = false"
            )
        top, exponent = math.frexp(2.0 ** (entries["width"] - 1) - 1)
        # A step of one, and no error above it: codes of a finer step are among those of a coarser one.
        scales = [2.0**-bias for bias in biases(top, exponent, 0, 0.0)]
        return [{**entries, "scale": scale} for scale in scales or [1.0]]

    def at_operand(
        self, mase_op: str, operand: str, values: dict[str, Any], as_layer: bool
    ) -> dict[str, Any]:
        if values.get("granularity") is None:
            values["granularity"] = "row" if operand == "data_in" else "tensor"
        return values


SPEC = ScaleIntegerSpec()
QUANTIZERS[SPEC.name] = SPEC
