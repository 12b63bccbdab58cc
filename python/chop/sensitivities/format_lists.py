"""Reads what a user gives as formats: which formats each operand of each layer is to be tried with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chop.ir.graph.quantizable_layers import Layer
from chop.nn.quantizers import IntegerFormat, NumberFormat
from chop.nn.quantizers.format import FRAC_WIDTH_RANGE, WIDTH_RANGE
from chop.nn.quantizers.operands import OPERAND_NAMES
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

_WHERE = "sensitivity: formats"

AnyFormat = IntegerFormat | NumberFormat
Lists = dict[str, list[AnyFormat]]  # operand -> formats


def format_lists(formats: Any, layers: Sequence[Layer]) -> list[Lists]:
    """Return for each layer the formats of its operands.

    Args:
        formats: a format, a list of them, or a mapping operand -> those, or node -> operand -> those. A format
            is an :class:`IntegerFormat`, a :class:`NumberFormat`, ``(width, frac_width)`` or ``(width, frac_width,
            signed)``.
        layers: the layers of the graph.

    Raises:
        ConfigError: anything else, an unknown operand or node, or nothing to try.

    >>> relu = Layer(("act",), "relu", {})
    >>> format_lists([(8, 4)], [relu])[0]["data_in"][0].is_signed
    False
    """
    by_node = isinstance(formats, Mapping) and any(isinstance(v, Mapping) for v in formats.values())
    if by_node:
        known = [node for layer in layers for node in layer.nodes]
        for node in formats:
            if node not in known:
                hint = did_you_mean(node, known)
                raise ConfigError(f"{_WHERE}: {node!r} is no node that can be quantized{hint}")
        found = [_of_layer(_merged(formats, layer), layer) for layer in layers]
    else:
        found = [_of_layer(formats, layer) for layer in layers]
    if not any(any(lists.values()) for lists in found):
        raise ConfigError(
            f"{_WHERE} must hold at least one format for an operand of the graph, got {formats!r}"
        )
    return found


def _merged(formats: Mapping[str, Any], layer: Layer) -> Mapping[str, Any]:
    """What is said of the nodes of one layer; of nodes that call one module the first one counts."""
    found: Any = next((formats[node] for node in layer.nodes if node in formats), {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"{_WHERE}: {layer.nodes[0]} must be a table operand -> formats, got {found!r}")
    return found


def _of_layer(formats: Any, layer: Layer) -> Lists:
    signs = layer.signs
    if not isinstance(formats, Mapping):
        return {operand: _list(formats, sign) for operand, sign in signs.items()}
    for operand in formats:
        if operand not in OPERAND_NAMES:
            hint = did_you_mean(operand, OPERAND_NAMES)
            raise ConfigError(f"{_WHERE}: no operand {operand!r}{hint}; operands: {', '.join(OPERAND_NAMES)}")
    return {operand: _list(formats[operand], sign) for operand, sign in signs.items() if operand in formats}


def _list(value: Any, is_signed: bool) -> list[AnyFormat]:
    single = isinstance(value, (IntegerFormat, NumberFormat)) or (
        isinstance(value, (tuple, list)) and bool(value) and isinstance(value[0], int)
    )
    if single:
        return [_format(value, is_signed)]
    if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
        raise ConfigError(f"{_WHERE} must be a list of formats or a table of such lists, got {value!r}")
    return [_format(item, is_signed) for item in value]


def _format(value: Any, is_signed: bool) -> AnyFormat:
    if isinstance(value, (IntegerFormat, NumberFormat)):
        return value
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        raise ConfigError(
            f"{_WHERE}: a format is an IntegerFormat or (width, frac_width[, signed]), or a NumberFormat, got {value!r}"
        )
    width, frac_width = value[:2]
    width = _whole("width", width, WIDTH_RANGE)
    frac_width = width // 2 if frac_width is None else _whole("frac_width", frac_width, FRAC_WIDTH_RANGE)
    if len(value) == 3:
        is_signed = value[2]
        if not isinstance(is_signed, bool):
            raise ConfigError(f"{_WHERE}: signed must be True or False, got {is_signed!r}")
    return IntegerFormat(width, frac_width, is_signed)


def _whole(name: str, value: Any, limits: tuple[int, int]) -> int:
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{_WHERE}: {name} must be {low}..{high}, got {value!r}")
    return value
