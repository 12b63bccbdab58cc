"""What a parsed number format other than the integer grid is, and the function that brings tensors to its values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from chop import _core
from chop.nn.quantizers.number_formula import has_formula, number_formula
from chop.nn.quantizers.plain import writes_plain
from chop.nn.quantizers.spec import QUANTIZERS
from chop.tools.errors import ConfigError

#: What becomes of a tensor's first dimension when it is cut into blocks: the operator takes the place in this list.
#: keep: it is cut as the block size says. skip: blocks have one index each, and all but the last two dimensions are one
#: with it. by_dims: skip for more than two dimensions, else keep. rows: one block for each first index.
FIRST_DIM = ("keep", "skip", "by_dims", "rows")

_NATIVE = (torch.float32, torch.float64)
_TOPS = {
    torch.float16: 15
}  # exponent of the largest binade; all others reach as far as float32 or the type itself


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format with its parameters; hashable.

    Attributes:
        name: of the quantizer.
        arguments: what the quantizer's function is called with: (name, value) pairs.
        numbers: the same as the core takes it.
        width: bits of a number, without what a block shares.
        shared_bits: bits that a block shares: an exponent, a bias, a scale.
        block_size: aligned to the right of a shape; empty: each number for itself.
        first_dim: one of ``FIRST_DIM``.
        digits: significant bits that the dtype must have.
        is_random: whether values depend on chance.

    >>> from chop.nn.quantizers import QUANTIZERS
    >>> f = QUANTIZERS["block_fp"].format(width=8, exponent_width=8, block_size=[1, 16])
    >>> str(f), f.bits((4, 40)), f.bits((4, 8))
    ('block_fp 8, 8, [1, 16]', 8.6, 9.0)
    """

    name: str
    arguments: tuple[tuple[str, Any], ...]
    numbers: tuple[float, ...]
    width: int
    shared_bits: int = 0
    block_size: tuple[int, ...] = ()
    first_dim: str = "keep"
    digits: int = 1
    is_random: bool = False
    core: int = field(init=False, repr=False)  # by which the core knows the format

    def __post_init__(self) -> None:
        object.__setattr__(self, "core", core_number(self.name))

    @property
    def by_block(self) -> bool:
        """Whether a value depends on other numbers of its block."""
        return bool(self.block_size)

    @property
    def grid(self) -> tuple[int, float] | None:
        """``(step, largest)``: all values are multiples of ``2**step`` with such magnitudes; None: on no known grid."""
        return _core.number_grid(self.name, list(self.numbers))

    def bits(self, shape: Sequence[int]) -> float:
        """Return the bits of a number of a tensor: its own, and its part of those that its block shares."""
        if not self.by_block or not self.shared_bits:
            return float(self.width)
        return self.width + self.shared_bits * block_count(shape, self) / max(1, math.prod(shape))

    def mixes_rows(self, dims: int) -> bool:
        """Whether a block of a tensor with ``dims`` dimensions may hold more than one first index."""
        if not self.by_block or self.first_dim == "rows":
            return False
        if self.first_dim == "skip" or (self.first_dim == "by_dims" and dims > 2):
            return dims < 2
        return len(self.block_size) < dims or self.block_size[-dims] != 1

    def for_dims(self, dims: int) -> NumberFormat:
        """Return the format with a decided first dimension, where the number of dimensions decides it."""
        if self.first_dim != "by_dims":
            return self
        arguments = {**dict(self.arguments), "skip_first_dim": dims > 2}
        return replace(self, arguments=pairs(arguments), first_dim="skip" if dims > 2 else "keep")

    def __str__(self) -> str:
        shown = [value for _, value in self.arguments if value is not None and not isinstance(value, bool)]
        texts = [str(list(v) if isinstance(v, tuple) else v) for v in shown]
        flags = [name for name, value in self.arguments if value is True and name != "skip_first_dim"]
        return " ".join(filter(None, (self.name, ", ".join([*texts, *flags]))))


def block_shape(shape: Sequence[int], format: NumberFormat) -> tuple[list[int], list[int]]:
    """Return the shape that is cut, and the block in each of its dimensions.

    >>> from chop.nn.quantizers import QUANTIZERS
    >>> f = QUANTIZERS["block_fp"].format(block_size=[16], skip_first_dim=True)
    >>> block_shape((2, 3, 5, 32), f)
    ([6, 5, 32], [1, 5, 16])
    """
    sizes = list(shape) or [1]
    first = format.first_dim
    if first == "by_dims":
        first = "skip" if len(sizes) > 2 else "keep"
    if len(sizes) == 1:
        first = "keep"
    if first == "rows":
        return sizes, [1, *sizes[1:]]
    if first == "skip" and len(sizes) > 3:
        sizes = [math.prod(sizes[:-2]), *sizes[-2:]]
    block = list(sizes)
    for place, entry in enumerate(reversed(format.block_size[-len(block) :]), 1):
        if entry != -1:
            block[-place] = min(block[-place], entry)
    if first == "skip":
        block[0] = 1
    return sizes, block


def block_count(shape: Sequence[int], format: NumberFormat) -> int:
    """Return how many blocks a tensor of that shape is cut into."""
    sizes, block = block_shape(shape, format)
    return math.prod(-(-size // part) if part else 0 for size, part in zip(sizes, block, strict=True))


@cache
def core_number(name: str) -> int:
    """Return the number by which the core knows a format: FNV-1a, 32 bits, of its name."""
    found = 2166136261
    for letter in name.encode():
        found = (found ^ letter) * 16777619 % 2**32
    return found


def quantize_number(x: Tensor, format: NumberFormat) -> Tensor:
    """Return the values of ``format`` nearest to ``x``; the gradient is that of the identity.

    Args:
        x: real tensor of any shape and stride. Float dtypes stay; half types are computed in float32, integers in
            float64, which give the default dtype.
        format: the format.

    Raises:
        ConfigError: the dtype has fewer significant bits than the format; plain operators of torch are asked for.
        TypeError: complex numbers.
    """
    if writes_plain():
        return _plain(x, format)
    if x.dtype in _NATIVE and x.device.type == "cpu":
        if format.digits > 24 and x.dtype == torch.float32:
            _refuse(format, x.dtype, 24)
        return _call(x, format, 1023)
    return _Elsewhere.apply(x, format)


def _plain(x: Tensor, format: NumberFormat) -> Tensor:
    if not has_formula(format):
        raise ConfigError(f"{format.name}: there is no form of this format in torch's own operators")
    if x.dtype != torch.float32:
        raise ConfigError(
            f"{format.name}: its form in torch's own operators is of float32 numbers, got {x.dtype}"
        )
    return number_formula(x, format)


def _call(x: Tensor, format: NumberFormat, top: int) -> Tensor:
    return torch.ops.chop.format_quantize(
        x,
        format.core,
        list(format.numbers),
        list(format.block_size),
        FIRST_DIM.index(format.first_dim),
        top,
    )


class _Elsewhere(torch.autograd.Function):
    """Other dtypes and devices: brought to the operator and back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, format: NumberFormat) -> Tensor:
        if x.dtype.is_complex:
            raise TypeError(f"{format.name} needs real numbers, got a complex tensor")
        if not x.dtype.is_floating_point:
            y = _call(x.to("cpu", torch.float64), format, 1023)
            return y.to(x.device, torch.get_default_dtype())
        digits = round(-math.log2(torch.finfo(x.dtype).eps)) + 1
        if format.digits > digits:
            _refuse(format, x.dtype, digits)
        wide = x.dtype if x.dtype in _NATIVE else torch.float32
        return _call(x.to("cpu", wide), format, _TOPS.get(x.dtype, 1023)).to(x.device, x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0], None


def _refuse(format: NumberFormat, dtype: torch.dtype, digits: int) -> None:
    raise ConfigError(
        f"{format.name}: the format has {format.digits} significant bits, {dtype} holds {digits}: "
        "a narrower width, or a wider exponent, fits"
    )


class NumberQuantizer:
    """Brings a tensor to the values of one format; a picklable function of one tensor."""

    def __init__(self, format: NumberFormat) -> None:
        self.format = format

    def __call__(self, x: Tensor) -> Tensor:
        if has_torch_function_unary(x):  # also how torch.fx sees one leaf here
            arguments = {n: list(v) if isinstance(v, tuple) else v for n, v in self.format.arguments}
            return handle_torch_function(QUANTIZERS[self.format.name].function, (x,), x, **arguments)
        return quantize_number(x, self.format)


def pairs(arguments: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return a call's arguments in a hashable form: lists as tuples."""
    return tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in arguments.items())
