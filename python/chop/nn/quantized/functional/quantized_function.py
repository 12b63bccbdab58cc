"""The table of quantized functions and what every function of two operands shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from chop.nn.quantizers import OPERANDS, QUANTIZERS
from chop.tools.errors import ConfigError

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class QuantizedFunction:
    """One operation that exists as a quantized function.

    Args:
        mase_op: its name in configs and in ``quantized_func_map``.
        float_call: what stands for it where the graph never saw the float call.
        derive: quantizer name -> function.
        stem: opening of the functions' names, where it is not ``mase_op`` (MASE calls it ``mult_integer``).
    """

    mase_op: str
    float_call: Function
    derive: Callable[[str], Function]
    stem: str


def read_config(name: str, mase_op: str, quantizer: str, config: Any) -> tuple[Mapping[str, Any], bool]:
    """Return the formats of a quantized function's operands and whether it is bypassed.

    Raises:
        ConfigError: no config, or one that the quantizer refuses.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"{name}.config must be a table with the quantizer's fields, got {config!r}")
    return QUANTIZERS[quantizer].parse(mase_op, config, name, as_layer=False), bool(
        config.get("bypass", False)
    )


def _on_grid(value: Any, quantizer: str, format: Any) -> Any:
    """Whole Python numbers stay as they are, as in MASE; fractions become a tensor without dimensions."""
    if isinstance(value, Tensor):
        return QUANTIZERS[quantizer].quantizer(format)(value)
    if isinstance(value, int):
        return value
    return QUANTIZERS[quantizer].quantizer(format)(torch.as_tensor(value, dtype=torch.float64))


def quantized_binary(
    function: Function,
    mase_op: str,
    quantizer: str,
    compute: Function,
    x: Any,
    y: Any,
    config: Any,
    alpha: float = 1,
) -> Any:
    """Body of every ``<operation>_<quantizer>`` of two operands.

    ``function`` is that one itself, the leaf that torch.fx records; ``compute`` gets ``alpha``
    where it is not 1. Without a tensor among the operands (arithmetic on sizes) nothing is quantized.
    """
    options = {} if alpha == 1 else {"alpha": alpha}
    if has_torch_function((x, y)):
        return handle_torch_function(function, (x, y), x, y, config=config, **options)
    formats, bypass = read_config(function.__name__, mase_op, quantizer, config)
    if not bypass and (isinstance(x, Tensor) or isinstance(y, Tensor)):
        operands = OPERANDS[mase_op]  # one for both, or one for each
        if QUANTIZERS[quantizer].broadcasts and len(operands) == 1:
            x, y, formats = _in_one_shape(x, y, formats)
        x = _on_grid(x, quantizer, formats[operands[0].name])
        y = _on_grid(y, quantizer, formats[operands[-1].name])
    return compute(x, y, **options)


def _in_one_shape(x: Any, y: Any, formats: Mapping[str, Any]) -> tuple[Any, Any, Mapping[str, Any]]:
    """Blocks are those of the shape of the result; the first operand says whether they skip its first dimension."""
    tensors = [each for each in (x, y) if isinstance(each, Tensor)]
    decided = {name: format.for_dims(tensors[0].dim()) for name, format in formats.items()}
    if len(tensors) == 2 and x.shape != y.shape:
        x, y = torch.broadcast_tensors(x, y)
    return x, y, decided


def maker(integer: Function, make: Callable[[str], Function], stem: str) -> Callable[[str], Function]:
    """Return ``quantizer name -> function``: ``integer`` for the integer quantizer, else what ``make`` gives.

    ``make`` gets the quantizer's name; the function's names and docstring are set here.
    """

    @cache
    def derive(quantizer: str) -> Function:
        name = QUANTIZERS[quantizer].name
        if name == "integer":
            return integer
        made = make(name)
        made.__name__ = made.__qualname__ = f"{stem}_{name}"
        made.__module__ = integer.__module__
        made.__doc__ = f"As :func:`{integer.__name__}`, with the {name!r} quantizer."
        return made

    return derive


def derived_attribute(module: str, stem: str, derive: Callable[[str], Function]) -> Callable[[str], Function]:
    """Return a module's ``__getattr__`` that finds ``<stem>_<quantizer>``: for pickles and imports."""

    def look_up(name: str) -> Function:
        quantizer = name.removeprefix(f"{stem}_")
        if quantizer != name and quantizer in QUANTIZERS:
            return derive(quantizer)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return look_up
