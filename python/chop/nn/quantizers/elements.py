"""The integer quantizer with formats for single elements: float to float, with a straight-through gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from chop.nn.quantizers.element_format import ElementFormat, laid_over
from chop.nn.quantizers.format import OVERFLOW_MODES, ROUNDING_MODES
from chop.nn.quantizers.integer_formula import element_formula
from chop.nn.quantizers.plain import writes_plain
from chop.nn.quantizers.straight_through import is_clipped, outside_of

_NATIVE_DTYPES = (torch.float32, torch.float64)


def _fake_quantize(
    x: Tensor, widths: Tensor, frac_widths: Tensor, is_signed: bool, rounding: str, overflow: str
) -> Tensor:
    if x.device.type != "cpu" or x.dtype not in _NATIVE_DTYPES or writes_plain():
        return element_formula(x, widths, frac_widths, is_signed, rounding, overflow)
    modes = ROUNDING_MODES.index(rounding), OVERFLOW_MODES.index(overflow)
    return torch.ops.chop.integer_quantize_elements(x, widths, frac_widths, is_signed, *modes)


class ElementQuantize(torch.autograd.Function):
    """Quantizes forward; backward the gradient passes, but not to elements of width 0, nor to those ``outside``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor,
        widths: Tensor,
        frac_widths: Tensor,
        outside: Tensor | None,
        is_signed: bool,
        rounding: str,
        overflow: str,
    ) -> Tensor:
        return _fake_quantize(x, widths, frac_widths, is_signed, rounding, overflow)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], inputs[3])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        widths, outside = ctx.saved_tensors
        stopped = (widths == 0).to(grads[0].device)
        if outside is not None:
            stopped = stopped | outside
        return grads[0].masked_fill(stopped, 0), *(None,) * 6


class ElementQuantizer:
    """Brings a tensor onto the grids of an :class:`ElementFormat`; a picklable function of one tensor.

    The value of an element is that of :func:`integer_quantizer` with its own width and fraction width; of width 0 it
    is 0, whatever the element was, and no gradient passes.

    Raises:
        ConfigError: the formats do not fit the tensor's shape.

    >>> quantizer = ElementQuantizer(ElementFormat.of([8, 3, 0], [4, 0, 0], axis=1))
    >>> quantizer(torch.tensor([[0.3, 0.7, 5.0], [9.0, 9.0, 9.0]]))
    tensor([[0.3125, 1.0000, 0.0000],
            [7.9375, 3.0000, 0.0000]])
    """

    def __init__(self, format: ElementFormat) -> None:
        self.format = format
        # from_numpy: layers are also built with the meta device as the default one.
        self.widths = torch.from_numpy(format.widths.astype("int32"))
        self.frac_widths = torch.from_numpy(format.frac_widths.astype("int32"))
        # What torch.compile sees: no arrays.
        self._shape, self._axis = format.shape, format.axis
        self._modes = format.is_signed, format.rounding, format.overflow

    def __call__(self, x: Tensor) -> Tensor:
        if has_torch_function_unary(x):
            f = self.format
            numbers = f.widths.tolist(), f.frac_widths.tolist()
            return handle_torch_function(
                element_quantizer, (x,), x, *numbers, f.is_signed, f.rounding, f.overflow, f.axis
            )
        shape = laid_over(self._shape, self._axis, x.shape)
        widths, fracs, modes = self.widths.view(shape), self.frac_widths.view(shape), self._modes
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return ElementQuantize.apply(x, widths, fracs, None, *modes)
        if x.requires_grad and torch.is_grad_enabled() and not torch._C._is_tracing():
            outside = outside_of(x, widths, fracs, *modes[:2]) if is_clipped() else None
            return ElementQuantize.apply(x, widths, fracs, outside, *modes)
        return _fake_quantize(x, widths, fracs, *modes)


def element_quantizer(
    x: Tensor,
    widths: Any,
    frac_widths: Any,
    is_signed: bool = True,
    rounding: str = "half_even",
    overflow: str = "saturate",
    axis: int = 0,
) -> Tensor:
    """As :func:`integer_quantizer`, with a width and a fraction width for each element, or for each place of an axis.

    Args:
        x: real tensor.
        widths: (nested) list or array of whole numbers 0..32, or one number. One-dimensional: along ``axis`` of ``x``;
            else of the shape of ``x``.
        frac_widths: the same, -64..64; None: half the widths, rounded down.
        is_signed, rounding, overflow: as for :func:`integer_quantizer`.
        axis: what one-dimensional widths go along.

    Returns:
        Same shape as ``x``. An element of width 0 is 0, and no gradient passes to it.

    Raises:
        ConfigError: numbers out of range, shapes that do not fit.

    >>> element_quantizer(torch.tensor([[0.3, 0.3], [0.3, 0.3]]), [[2, 4], [0, 8]], [[1, 3], [0, 5]])
    tensor([[0.5000, 0.2500],
            [0.0000, 0.3125]])
    """
    if has_torch_function_unary(x):  # how torch.fx sees one leaf here
        return handle_torch_function(
            element_quantizer, (x,), x, widths, frac_widths, is_signed, rounding, overflow, axis
        )
    return ElementQuantizer(
        ElementFormat.of(widths, frac_widths, is_signed, rounding, overflow, axis, "element_quantizer: ")
    )(x)
