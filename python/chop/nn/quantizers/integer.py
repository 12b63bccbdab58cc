"""The integer (fixed-point) quantizer: float to float on a grid, with a straight-through gradient.

Source: MASE's behaviour; straight-through estimator of Bengio, Leonard and Courville, arXiv:1308.3432.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from chop.nn.quantizers.format import FRAC_WIDTH_RANGE, WIDTH_RANGE, IntegerFormat
from chop.nn.quantizers.integer_fused import FusedInteger, fused_integer
from chop.nn.quantizers.spec import QUANTIZERS, QuantizerSpec, TensorFunction
from chop.tools.errors import ConfigError

_NATIVE_DTYPES = (torch.float32, torch.float64)


def _fake_quantize(x: Tensor, width: int, frac_width: int, is_signed: bool) -> Tensor:
    if x.device.type == "cpu" and x.dtype in _NATIVE_DTYPES:
        return torch.ops.chop.integer_quantize(x, width, frac_width, is_signed)
    return _fake_quantize_formula(x, width, frac_width, is_signed)


def _fake_quantize_formula(x: Tensor, width: int, frac_width: int, is_signed: bool) -> Tensor:
    """The same numbers in torch's own operations, for devices and dtypes that have no native kernel."""
    grid = IntegerFormat(width, frac_width, is_signed)
    if x.dtype.is_complex:
        raise TypeError("integer_quantizer needs real numbers, got a complex tensor")
    if not x.dtype.is_floating_point:
        # Codes up to 2^53 stay exact on the way; MPS has no float64.
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        return _round_and_clamp(x.to(wide), grid).to(torch.get_default_dtype())
    if x.dtype in _NATIVE_DTYPES:
        return _round_and_clamp(x, grid)
    # Half types would overflow at x * 2^frac; all but the bounds is exact on the way back.
    return _round_and_clamp(x.float(), grid).to(x.dtype)


def _round_and_clamp(x: Tensor, grid: IntegerFormat) -> Tensor:
    return x.mul(2.0**grid.frac_width).round().clamp(grid.qmin, grid.qmax).mul(grid.scale)


class IntegerQuantize(torch.autograd.Function):
    """``integer_quantizer`` as an autograd function: the gradient passes unchanged, outside the range too.

    There is no ``jvp``: with one, ``torch.compile(fullgraph=True)`` refuses the function.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, width: int, frac_width: int, is_signed: bool = True) -> Tensor:
        return _fake_quantize(x, width, frac_width, is_signed)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return grad, None, None, None


# Function.apply inspects the forward's signature at each call when setup_context exists; its base does not.
_single_apply = super(torch.autograd.Function, IntegerQuantize).apply


def integer_quantizer(x: Any, width: int, frac_width: int | None, is_signed: bool = True) -> Any:
    """Round ``x`` to a grid: half to even of ``x * 2**frac_width``, clamped, times ``2**-frac_width``.

    Args:
        x: tensor of any shape and stride, NumPy array or number, or Python float. Float dtypes stay; integer
            tensors give the default dtype. A Python int or bool is returned unchanged (MASE behaviour).
        width: bits, 1..32.
        frac_width: fraction bits, -64..64; None means ``width // 2``.
        is_signed: codes in ``[-2**(width-1), 2**(width-1) - 1]`` if True, else in ``[0, 2**width - 1]``.

    Returns:
        Same shape as ``x``. NaN and -0.0 stay, infinities clamp. The gradient is that of the identity.

    Raises:
        ConfigError: width or fraction width out of range.
        TypeError: ``x`` is none of the above (complex numbers included).

    >>> integer_quantizer(torch.tensor([0.3, -0.3, 200.0]), 8, 4)
    tensor([ 0.3125, -0.3125,  7.9375])
    """
    if not isinstance(x, Tensor):
        return _quantize_other(x, width, frac_width, is_signed)
    if has_torch_function_unary(x):  # also how torch.fx sees one leaf here
        return handle_torch_function(integer_quantizer, (x,), x, width, frac_width, is_signed)
    width, frac_width = _check_format(width, frac_width)
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return IntegerQuantize.apply(x, width, frac_width, is_signed)
    if x.requires_grad and torch.is_grad_enabled():
        return _single_apply(x, width, frac_width, is_signed)
    return _fake_quantize(x, width, frac_width, is_signed)


def _check_format(width: int, frac_width: int | None) -> tuple[int, int]:
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
        raise ConfigError(f"{where} must be {low}..{high}, got {value!r}")
    return int(value)


def _quantize_other(x: Any, width: int, frac_width: int | None, is_signed: bool) -> Any:
    if has_torch_function_unary(x):
        return handle_torch_function(integer_quantizer, (x,), x, width, frac_width, is_signed)
    if isinstance(x, int):
        return x
    if type(x) is float:
        return integer_quantizer(torch.tensor(x, dtype=torch.float64), width, frac_width, is_signed).item()
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fiu":
        # A copy: torch refuses foreign byte orders and negative strides, and warns about read-only memory.
        native = np.array(x, dtype=x.dtype.newbyteorder("="), order="C")
        y = integer_quantizer(torch.from_numpy(native), width, frac_width, is_signed).numpy()
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
    """Fields of an operand: ``<operand>_width`` (1..32), ``<operand>_frac_width`` (None or -64..64)."""

    name = "integer"
    class_suffix = "Integer"
    fields = ("width", "frac_width")
    function = staticmethod(integer_quantizer)

    def check_field(self, field: str, value: Any, where: str) -> None:
        if field == "width":
            _whole(where, value, WIDTH_RANGE)
        elif value is not None:
            _whole(where, value, FRAC_WIDTH_RANGE)

    def parse_operand(
        self, operand: str, is_signed: bool, values: Mapping[str, Any], where: str
    ) -> IntegerFormat:
        width, frac_width = int(values["width"]), values["frac_width"]
        return IntegerFormat(width, width // 2 if frac_width is None else int(frac_width), is_signed)

    def quantizer(self, format: IntegerFormat) -> TensorFunction:
        return partial(
            integer_quantizer,
            width=format.width,
            frac_width=format.frac_width,
            is_signed=format.is_signed,
        )

    def fused(self, formats: Mapping[str, IntegerFormat]) -> FusedInteger | None:
        return fused_integer(formats)

    def codes(self, x: Tensor, format: IntegerFormat) -> Tensor:
        """Integer codes of ``x``: int32, or int64 where ``width`` is 32.

        Raises:
            ValueError: ``x`` holds a NaN, which has no code.
        """
        if bool(torch.isnan(x).any()):
            raise ValueError("a tensor with NaN has no integer codes")
        quantized = integer_quantizer(x.detach().double(), format.width, format.frac_width, format.is_signed)
        dtype = torch.int32 if format.width < 32 else torch.int64
        return (quantized * 2.0**format.frac_width).to(dtype)


QUANTIZERS["integer"] = IntegerSpec()
QUANTIZERS["fixed"] = QUANTIZERS["integer"]
