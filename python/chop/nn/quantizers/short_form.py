"""Fixed-point formats in a few characters: ``w4.2 x8.4 b8.4`` is what a rule of a quantize config says at length.

``w`` is the weight, ``x`` the input (``data_in``), ``b`` the bias; then the width in bits, sign included, and after the
dot the bits behind the binary point (left out: half the width).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chop.nn.quantizers.element_format import is_list
from chop.tools.errors import ConfigError

LETTERS = {"weight": "w", "data_in": "x", "bias": "b"}
_OPERANDS = {letter: name for name, letter in LETTERS.items()}
_PART = re.compile(r"([wxb])(\d+)(?:\.(-?\d+))?")
_FLOAT = ("float", "NA", "-")
Format = int | Sequence[int]


def fixed(
    data: Format | None = None,
    weight: Format | None = None,
    bias: Format | None = None,
    *,
    rounding: str | None = None,
    overflow: str | None = None,
) -> dict[str, Any]:
    """Return the config of a fixed-point layer, as a rule of a quantize config holds it.

    Args:
        data, weight, bias: (width, bits behind the binary point) of the layer's input, its weight and its bias; a width
            alone has half of it behind the point. Left out: the layer has no such operand (a bias then has the weight's
            format).
        rounding: half_even (without it), floor or half_up. overflow: saturate (without it) or wrap. Of all operands.

    Raises:
        ConfigError: no format at all, or one that is neither a width nor a pair.

    >>> fixed(data=(8, 4), weight=(6, 4))  # doctest: +NORMALIZE_WHITESPACE
    {'name': 'integer', 'data_in_width': 8, 'data_in_frac_width': 4, 'weight_width': 6, 'weight_frac_width': 4}
    """
    given = {"data_in": data, "weight": weight, "bias": bias}
    config: dict[str, Any] = {"name": "integer"}
    for operand, format in given.items():
        if format is None:
            continue
        width, frac_width = _pair("data" if operand == "data_in" else operand, format)
        config |= {f"{operand}_width": width, f"{operand}_frac_width": frac_width}
        modes = {"rounding": rounding, "overflow": overflow}
        config |= {f"{operand}_{mode}": value for mode, value in modes.items() if value is not None}
    if len(config) == 1:
        raise ConfigError(
            "fixed: give a format of data, weight or bias, such as fixed(data=(8, 4), weight=(6, 4))"
        )
    return config


def _pair(operand: str, format: Format) -> tuple[int, int | None]:
    pair = (format, None) if isinstance(format, int) else tuple(format)
    whole = [isinstance(n, int) and not isinstance(n, bool) for n in pair]
    if len(pair) != 2 or not whole[0] or not (whole[1] or pair[1] is None):
        raise ConfigError(
            f"fixed: {operand} must be (width, bits behind the point), two integers, got {format!r}"
        )
    return pair[0], pair[1]


def parse_short(text: str) -> dict[str, Any]:
    """Return the config that ``w4.2 x8.4`` means; ``float`` is the config that leaves a layer alone.

    Raises:
        ConfigError: anything else.

    >>> parse_short("w4.2 x8") == {"name": "integer"} | {
    ...     "weight_width": 4, "weight_frac_width": 2, "data_in_width": 8, "data_in_frac_width": None
    ... }
    True
    >>> parse_short("float")
    {'name': None}
    """
    if text.strip() in _FLOAT:
        return {"name": None}
    config: dict[str, Any] = {"name": "integer"}
    for word in text.split():
        found = _PART.fullmatch(word)
        if found is None:
            raise ConfigError(
                f"a format is written like 'w4.2 x8.4 b8.4' (weight, input, bias; width.bits behind the point), or "
                f"'float', got {text!r}"
            )
        operand = _OPERANDS[found[1]]
        if f"{operand}_width" in config:
            raise ConfigError(f"{found[1]} is said twice in {text!r}")
        config[f"{operand}_width"] = int(found[2])
        config[f"{operand}_frac_width"] = None if found[3] is None else int(found[3])
    if len(config) == 1:
        raise ConfigError(f"a format is written like 'w4.2 x8.4 b8.4', or 'float', got {text!r}")
    return config


def short_form(config: Mapping[str, Any]) -> str:
    """Return a rule's config in a few characters; what does not fit in is named.

    >>> short_form(fixed(data=(8, 4), weight=(4, 2)))
    'w4.2 x8.4'
    >>> short_form({"name": None}), short_form(fixed(weight=4, rounding="floor"))
    ('float', 'w4 floor')
    """
    name = config.get("name")
    if name is None:
        return "float"
    words = [] if name in ("integer", "fixed") else [str(name)]
    for operand, letter in LETTERS.items():
        width, frac_width = config.get(f"{operand}_width"), config.get(f"{operand}_frac_width")
        if width is not None:
            after = "" if frac_width is None else f".{_number(frac_width)}"
            words.append(f"{letter}{_number(width)}{after}")
    modes = {config.get(f"{operand}_{mode}") for operand in LETTERS for mode in ("rounding", "overflow")}
    words += sorted(str(mode) for mode in modes if mode not in (None, "half_even", "saturate"))
    return " ".join([*words, "bypass"] if config.get("bypass") else words) or str(name)


def _number(value: Any) -> str:
    return "[…]" if is_list(value) or isinstance(value, str) else str(value)


def short_rules(config: Mapping[str, Any]) -> dict[str, str]:
    """Return rule -> :func:`short_form` of a whole quantize config, those that quantize nothing left out.

    >>> short_rules({"by": "type", "default": {"config": {"name": None}}, "linear": {"config": fixed(weight=(4, 2))}})
    {'linear': 'w4.2'}
    """
    rules = {
        key: rule["config"] for key, rule in config.items() if isinstance(rule, Mapping) and "config" in rule
    }
    return {key: short_form(rule) for key, rule in rules.items() if rule.get("name") is not None}
