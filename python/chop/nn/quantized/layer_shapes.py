"""Whether lists of integer formats fit the operands of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedParameter

from chop.nn.quantizers import ElementFormat
from chop.tools.errors import ConfigError

Shapes = Mapping[str, tuple[int, ...]]


def layer_shapes(layer: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return operand -> shape of what a config may give a format each; nothing for what is not known yet.

    That is the shape of the weight, the number of outputs of the bias, and the number of features or channels of the
    input. A layer without bias has no bias here.

    >>> layer_shapes(nn.Linear(3, 2))
    {'weight': (2, 3), 'data_in': (3,), 'bias': (2,)}
    """
    weight: Any = getattr(layer, "weight", None)
    if weight is None or isinstance(weight, UninitializedParameter):
        return {}
    shape = tuple(weight.shape)
    inputs = getattr(layer, "in_features", getattr(layer, "in_channels", None))
    found = {"weight": shape} if inputs is None else {"weight": shape, "data_in": (int(inputs),)}
    return found if getattr(layer, "bias", None) is None else {**found, "bias": shape[:1]}


def refuse_misfits(formats: Mapping[str, Any] | None, shapes: Shapes, where: str) -> None:
    """Raise ConfigError, opening with ``where``, for a list of formats whose shape is not one of the operand's."""
    for operand, format in (formats or {}).items():
        shape = shapes.get(operand)
        if shape is None or not isinstance(format, ElementFormat):
            continue
        allowed = {"weight": ((*shape[:1],), shape)}.get(operand, (shape,))
        if format.shape in allowed:
            continue
        what = {"data_in": "an input channel"}.get(operand, "an output channel")
        each = f"{list(allowed[0])} (one {what})"
        each += f" or {list(shape)} (one a weight)" if operand == "weight" else ""
        raise ConfigError(
            f"{where}.{operand}_width and {operand}_frac_width have the shape {list(format.shape)}; allowed: one "
            f"number{',' if operand == 'weight' else ' or'} {each}"
        )
