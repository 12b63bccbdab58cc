"""ReLU as a function with a quantized input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from chop.nn.quantizers import QUANTIZERS
from chop.tools.errors import ConfigError


def quantized_relu(
    quantizer: str, function: Any, x: Tensor, inplace: bool, config: Mapping[str, Any] | None
) -> Tensor:
    """Body of every ``relu_<quantizer>``; ``function`` is that one itself, the leaf that fx records."""
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, inplace=inplace, config=config)
    if not isinstance(config, Mapping):
        raise ConfigError(
            f"relu_{quantizer}.config must be a table with the quantizer's fields, got {config!r}"
        )
    spec = QUANTIZERS[quantizer]
    formats = spec.parse("relu", config, f"relu_{quantizer}")
    if not config.get("bypass", False):
        x = spec.quantizer(formats["data_in"])(x)
    return F.relu(x, inplace)


def relu_integer(x: Tensor, inplace: bool = False, config: Mapping[str, Any] | None = None) -> Tensor:
    """Quantize ``x`` without sign, in the ``data_in_*`` format of ``config``, then apply ReLU.

    Args:
        x: float tensor of any shape.
        inplace: the caller's tensor changes only when the config says bypass.
        config: name, ``data_in_*``, optional bypass.

    Raises:
        ConfigError: a config that the quantizer refuses.

    >>> import torch
    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}
    >>> relu_integer(torch.tensor([-1.0, 0.3]), config=config)
    tensor([0.0000, 0.3125])
    """
    return quantized_relu("integer", relu_integer, x, inplace, config)


@cache
def derive_relu(quantizer: str) -> Callable[..., Tensor]:
    """Return ``relu_<quantizer>`` for a registered quantizer.

    Raises:
        UnknownNameError: the quantizer is not registered.
    """
    name = QUANTIZERS[quantizer].name
    if name == "integer":
        return relu_integer

    def relu(x: Tensor, inplace: bool = False, config: Mapping[str, Any] | None = None) -> Tensor:
        return quantized_relu(name, relu, x, inplace, config)

    relu.__name__ = relu.__qualname__ = f"relu_{name}"
    relu.__doc__ = f"Pass ``x`` through the {name!r} quantizer, then apply ReLU; see :func:`relu_integer`."
    return relu


def __getattr__(name: str) -> Any:
    quantizer = name.removeprefix("relu_")
    if quantizer != name and quantizer in QUANTIZERS:
        return derive_relu(quantizer)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
