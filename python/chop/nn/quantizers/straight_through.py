"""Which gradient a quantizer lets through: that of the identity, or that of the identity inside its range."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from chop.nn.quantizers.format import IntegerFormat
from chop.nn.quantizers.integer_formula import element_range
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

#: name -> what its gradient is
STRAIGHT_THROUGH = {
    "plain": "the gradient of the identity, outside the range too (Bengio, Leonard and Courville, arXiv:1308.3432; "
    "MASE's)",
    "clipped": "the gradient of the identity where the rounded code lies in the range, else 0 (Hubara et al., "
    "arXiv:1602.02830, section 2.3; the rule of torch.fake_quantize_per_tensor_affine)",
}

_kind: ContextVar[str] = ContextVar("straight_through", default="plain")


def check_straight_through(kind: Any) -> str:
    """Return ``kind``.

    Raises:
        ConfigError: neither "plain" nor "clipped".
    """
    if kind not in STRAIGHT_THROUGH:
        hint = did_you_mean(str(kind), STRAIGHT_THROUGH)
        raise ConfigError(
            f"straight_through must be one of {', '.join(STRAIGHT_THROUGH)}, got {kind!r}{hint}"
        )
    return str(kind)


@contextlib.contextmanager
def straight_through(kind: str) -> Iterator[None]:
    """Choose the gradient of the integer quantizers that are called inside the block, in this thread.

    Args:
        kind: "plain", the gradient of the identity everywhere (arXiv:1308.3432; what MASE does, and the default), or
            "clipped", which is 0 where the rounded code left the range (arXiv:1602.02830; torch's own
            ``fake_quantize_per_tensor_affine`` does so). The forward pass is the same.

    A model that ``torch.compile`` compiles, and transforms of ``torch.func``, stay plain.

    Raises:
        ConfigError: another word.

    >>> from chop.nn.quantizers import integer_quantizer
    >>> x = torch.tensor([0.3, 9.0], requires_grad=True)
    >>> with straight_through("clipped"):
    ...     integer_quantizer(x, 8, 4).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    token = _kind.set(check_straight_through(kind))
    try:
        yield
    finally:
        _kind.reset(token)


def is_clipped() -> bool:
    """Whether gradients are clipped in this context."""
    return _kind.get() == "clipped"


class ClippedStraightThrough(torch.autograd.Function):
    """Gives the quantized tensor forward, and backward the gradient where ``x`` did not leave the range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, quantized: Tensor, grid: IntegerFormat) -> Tensor:
        # The rounded code leaves the range where the code on a grid without bounds does.
        code = x.detach().double().mul(2.0**grid.frac_width)
        rounded = _ROUNDED[grid.rounding](code)
        ctx.save_for_backward((rounded >= grid.qmin) & (rounded <= grid.qmax))
        return quantized

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (inside,) = ctx.saved_tensors
        return torch.where(inside, grads[0], torch.zeros_like(grads[0])), None, None


def outside_of(x: Tensor, widths: Tensor, frac_widths: Tensor, is_signed: bool, rounding: str) -> Tensor:
    """Return where the rounded code of ``x`` leaves the range of its element's width."""
    rounded = _ROUNDED[rounding](torch.ldexp(x.detach().double(), frac_widths.to(x.device)))
    low, high = (end.to(x.device) for end in element_range(widths, is_signed))
    return ~((rounded >= low) & (rounded <= high))


def _half_up(code: Tensor) -> Tensor:
    below = code.floor()
    return below + (code - below >= 0.5)


_ROUNDED: dict[str, Callable[[Tensor], Tensor]] = {
    "half_even": torch.round,
    "floor": torch.floor,
    "half_up": _half_up,
}
