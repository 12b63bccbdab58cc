"""The integer (fixed-point) quantizer: float to float on a grid, with a straight-through gradient.

Source: MASE's behaviour; straight-through estimator of Bengio, Leonard and Courville, arXiv:1308.3432; rounding and
overflow modes as AMD's ap_fixed and Siemens' ac_fixed define them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from chop.nn.quantizers.element_format import ElementFormat, element_numbers, is_list
from chop.nn.quantizers.elements import ElementQuantizer
from chop.nn.quantizers.format import (
    FRAC_WIDTH_RANGE,
    OVERFLOW_MODES,
    ROUNDING_MODES,
    WIDTH_RANGE,
    IntegerFormat,
)
from chop.nn.quantizers.integer_formula import fake_quantize_formula
from chop.nn.quantizers.integer_fused import FusedInteger, fused_integer
from chop.nn.quantizers.operands import Operand
from chop.nn.quantizers.plain import writes_plain
from chop.nn.quantizers.spec import QUANTIZERS, QuantizerSpec, TensorFunction
from chop.nn.quantizers.straight_through import ClippedStraightThrough, is_clipped
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

_NATIVE_DTYPES = (torch.float32, torch.float64)
_USUAL_MODES = MappingProxyType({"rounding": ROUNDING_MODES[0], "overflow": OVERFLOW_MODES[0]})


def _fake_quantize(
    x: Tensor, width: int, frac_width: int, is_signed: bool, rounding: str, overflow: str
) -> Tensor:
    if x.device.type != "cpu" or x.dtype not in _NATIVE_DTYPES or writes_plain():
        return fake_quantize_formula(x, IntegerFormat(width, frac_width, is_signed, rounding, overflow))
    if rounding == "half_even" and overflow == "saturate":
        return torch.ops.chop.integer_quantize(x, width, frac_width, is_signed)
    modes = ROUNDING_MODES.index(rounding), OVERFLOW_MODES.index(overflow)
    return torch.ops.chop.integer_quantize(x, width, frac_width, is_signed, *modes)


class IntegerQuantize(torch.autograd.Function):
    """``integer_quantizer`` as an autograd function: the gradient passes unchanged, outside the range too.

    There is no ``jvp``: with one, ``torch.compile(fullgraph=True)`` refuses the function.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor,
        width: int,
        frac_width: int,
        is_signed: bool = True,
        rounding: str = "half_even",
        overflow: str = "saturate",
    ) -> Tensor:
        return _fake_quantize(x, width, frac_width, is_signed, rounding, overflow)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad, *(None,) * 5


# Function.apply inspects the forward's signature at each call when setup_context exists; its base does not.
_single_apply = super(torch.autograd.Function, IntegerQuantize).apply


def integer_quantizer(
    x: Any,
    width: int,
    frac_width: int | None,
    is_signed: bool = True,
    rounding: str = "half_even",
    overflow: str = "saturate",
) -> Any:
    """Bring ``x`` onto a grid: round ``x * 2**frac_width``, bring it into range, times ``2**-frac_width``.

    Args:
        x: tensor of any shape and stride, NumPy array or number, or Python float. Float dtypes stay; integer
            tensors give the default dtype, by way of float64. A Python int or bool is returned unchanged (MASE
            behaviour).
        width: bits, 1..32.
        frac_width: fraction bits, -64..64; None means ``width // 2``.
        is_signed: codes in ``[-2**(width-1), 2**(width-1) - 1]`` if True, else in ``[0, 2**width - 1]``.
        rounding: ``half_even`` (MASE's), ``floor`` or ``half_up``; see :class:`IntegerFormat`.
        overflow: ``saturate`` (MASE's) or ``wrap``.

    Returns:
        Same shape as ``x``; the gradient is that of the identity, in all modes (:func:`straight_through` can clip
        it). Codes are exact; one that the dtype cannot hold (32-bit bounds in float32) is rounded to it. NaN stays.
        Infinities saturate; wrapped they are NaN, as they leave no remainder. half_even gives -0.0 for what rounds to
        zero from below, floor for -0.0 only, half_up never; a code in range does not depend on the overflow mode.

    Raises:
        ConfigError: width or fraction width out of range, an unknown mode.
        TypeError: ``x`` is none of the above (complex numbers included).

    >>> integer_quantizer(torch.tensor([0.3, -0.3, 200.0]), 8, 4)
    tensor([ 0.3125, -0.3125,  7.9375])
    >>> integer_quantizer(torch.tensor([0.3, -0.3, 9.0]), 8, 4, rounding="floor", overflow="wrap")
    tensor([ 0.2500, -0.3125, -7.0000])
    """
    if not isinstance(x, Tensor):
        return _quantize_other(x, width, frac_width, is_signed, rounding, overflow)
    if has_torch_function_unary(x):  # also how torch.fx sees one leaf here
        return handle_torch_function(
            integer_quantizer, (x,), x, width, frac_width, is_signed, rounding, overflow
        )
    width, frac_width = _check_format(width, frac_width, rounding, overflow)
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return IntegerQuantize.apply(x, width, frac_width, is_signed, rounding, overflow)
    # A trace takes the operator, whose gradient is the same: a Python function it could not hold.
    if x.requires_grad and torch.is_grad_enabled() and not torch._C._is_tracing():
        if is_clipped():
            quantized = _fake_quantize(x.detach(), width, frac_width, is_signed, rounding, overflow)
            grid = IntegerFormat(width, frac_width, is_signed, rounding, overflow)
            return ClippedStraightThrough.apply(x, quantized, grid)
        return _single_apply(x, width, frac_width, is_signed, rounding, overflow)
    return _fake_quantize(x, width, frac_width, is_signed, rounding, overflow)


def _check_format(width: int, frac_width: int | None, rounding: str, overflow: str) -> tuple[int, int]:
    if rounding not in ROUNDING_MODES:
        _check_mode("integer_quantizer: rounding", rounding, ROUNDING_MODES)
    if overflow not in OVERFLOW_MODES:
        _check_mode("integer_quantizer: overflow", overflow, OVERFLOW_MODES)
    if type(width) is not int or not WIDTH_RANGE[0] <= width <= WIDTH_RANGE[1]:
        width = _whole("integer_quantizer: width", width, WIDTH_RANGE)
    if frac_width is None:
        return width, width // 2
    if type(frac_width) is not int or not FRAC_WIDTH_RANGE[0] <= frac_width <= FRAC_WIDTH_RANGE[1]:
        frac_width = _whole("integer_quantizer: frac_width", frac_width, FRAC_WIDTH_RANGE)
    return width, frac_width


def _whole(where: str, value: Any, limits: tuple[int, int]) -> int:
    low, high = limits
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        kind = "" if whole else ", which is not an integer"
        raise ConfigError(f"{where} must be {low}..{high}, got {value!r}{kind}")
    return int(value)


def _check_mode(where: str, value: Any, modes: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in modes:
        raise ConfigError(
            f"{where} must be one of {', '.join(modes)}, got {value!r}{did_you_mean(value, modes)}"
        )


def _quantize_other(x: Any, *format: Any) -> Any:
    if has_torch_function_unary(x):
        return handle_torch_function(integer_quantizer, (x,), x, *format)
    if isinstance(x, int):
        return x
    if type(x) is float:
        return integer_quantizer(torch.tensor(x, dtype=torch.float64), *format).item()
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fiu":
        # A copy: torch refuses foreign byte orders and negative strides, and warns about read-only memory.
        native = np.array(x, dtype=x.dtype.newbyteorder("="), order="C")
        y = integer_quantizer(torch.from_numpy(native), *format).numpy()
        return y if isinstance(x, np.ndarray) else y[()]
    raise TypeError(
        f"integer_quantizer needs a tensor, a real NumPy array or a Python number, got {type(x).__name__}"
    )


def integer_fraction(width: int, frac_choices: Sequence[int], min_value: float, max_value: float) -> int:
    """Return the fraction width that leaves just enough integer bits for a range of values.

    Args:
        width: bits of the format.
        frac_choices: fraction widths to choose from.
        min_value, max_value: the range to hold.

    Returns:
        The largest choice not above ``width`` minus the integer and sign bits; the smallest choice if none
        is.

    Raises:
        ConfigError: no choices.

    >>> integer_fraction(8, [2, 4, 6], -1.5, 3.2)
    4
    """
    if not frac_choices:
        raise ConfigError("integer_fraction: frac_choices must hold at least one fraction width")
    peak = max(abs(min_value), abs(max_value))
    integer_bits = math.floor(math.log2(peak)) + 2 if peak > 0 else 0
    room = max(0, width - max(integer_bits, 0))
    fitting = [choice for choice in frac_choices if choice <= room]
    return max(fitting) if fitting else min(frac_choices)


class IntegerSpec(QuantizerSpec):
    """Fields of an operand: ``<operand>_width`` (1..32), ``<operand>_frac_width`` (None or -64..64).

    Each may be a list (nested, a tuple, an array): a number for each output channel, or each weight, of a weight; for
    each output channel of a bias; for each feature or channel of an input. A width of 0 in one: the constant 0.

    Optional: ``<operand>_rounding`` (half_even, floor, half_up), ``<operand>_overflow`` (saturate, wrap).
    """

    name = "integer"
    class_suffix = "Integer"
    fields = ("width", "frac_width")
    optional_fields = _USUAL_MODES
    function = staticmethod(integer_quantizer)

    def check_field(self, field: str, value: Any, where: str) -> None:
        if field == "rounding":
            _check_mode(where, value, ROUNDING_MODES)
        elif field == "overflow":
            _check_mode(where, value, OVERFLOW_MODES)
        elif is_list(value):
            element_numbers(value, (0, WIDTH_RANGE[1]) if field == "width" else FRAC_WIDTH_RANGE, where)
        elif isinstance(value, str) and ".npz#" in value:
            raise ConfigError(f"{where}: only a config file may name an array in a file, got {value!r}")
        elif field == "width" or value is not None:
            _whole(where, value, WIDTH_RANGE if field == "width" else FRAC_WIDTH_RANGE)

    def parse_operand(
        self, operand: str, is_signed: bool, values: Mapping[str, Any], where: str
    ) -> IntegerFormat:
        width, frac_width = int(values["width"]), values["frac_width"]
        frac_width = width // 2 if frac_width is None else int(frac_width)
        modes = {**_USUAL_MODES, **{field: values[field] for field in _USUAL_MODES if field in values}}
        return IntegerFormat(width, frac_width, is_signed, str(modes["rounding"]), str(modes["overflow"]))

    def parse_elements(self, operand: Operand, values: Mapping[str, Any], where: str) -> ElementFormat:
        if not self._is_own() or operand.axis is None:
            raise ConfigError(f"{where}width must be one number: {self.name!r} takes no lists")
        rounding, overflow = (str(values.get(field, usual)) for field, usual in _USUAL_MODES.items())
        widths = values["width"], values["frac_width"]
        return ElementFormat.of(*widths, operand.is_signed, rounding, overflow, operand.axis, where)

    def _is_own(self) -> bool:
        """Whether this is the integer quantizer, and not one that derives from it with another function."""
        return type(self).quantizer is IntegerSpec.quantizer

    def quantizer(self, format: IntegerFormat | ElementFormat) -> TensorFunction:
        if isinstance(format, ElementFormat):
            return ElementQuantizer(format)
        return partial(
            integer_quantizer,
            width=format.width,
            frac_width=format.frac_width,
            is_signed=format.is_signed,
            rounding=format.rounding,
            overflow=format.overflow,
        )

    def fused(self, formats: Mapping[str, IntegerFormat | ElementFormat]) -> FusedInteger | None:
        if not self._is_own() or any(isinstance(format, ElementFormat) for format in formats.values()):
            return None  # there are no operators for it
        return fused_integer(formats)  # type: ignore[arg-type]

    def codes(self, x: Tensor, format: IntegerFormat | ElementFormat) -> Tensor:
        """Integer codes of ``x``: int32, or int64 where ``width`` is 32; of single formats, on their common grid.

        Raises:
            ValueError: ``x`` holds a NaN, or an infinity that wraps: they have no code; a common grid of more than 63
                bits.
        """
        if isinstance(format, ElementFormat) and format.common.width > 63:
            raise ValueError(f"formats whose common grid has {format.common.width} bits have no codes of 64")
        quantized = self.quantizer(format)(x.detach().double())
        if bool(torch.isnan(quantized).any()):
            raise ValueError("a tensor with NaN, or with an infinity that wraps, has no integer codes")
        format = format.common if isinstance(format, ElementFormat) else format
        dtype = torch.int32 if format.width < 32 else torch.int64
        return (quantized * 2.0**format.frac_width).to(dtype)


QUANTIZERS["integer"] = IntegerSpec()
QUANTIZERS["fixed"] = QUANTIZERS["integer"]
