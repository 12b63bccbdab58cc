"""The axes of a grid: which options of a run vary, and over which values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

#: option of a run -> type of its values
AXES: dict[str, type] = {
    "learning_rate": float,
    "batch_size": int,
    "weight_decay": float,
    "optimizer": str,
    "momentum": float,
    "lr_scheduler": str,
    "max_epochs": int,
    "gradient_clip_val": float,
    "straight_through": str,
}
_ALIASES = {"training_optimizer": "optimizer"}


def parse_axes(words: Sequence[str]) -> dict[str, list[Any]]:
    """Read axes as they are typed.

    Raises:
        ConfigError: an unknown option, one that comes twice, or a value that is none.

    >>> parse_axes(["learning_rate=1e-5,1e-3", "batch_size=16"])
    {'learning_rate': [1e-05, 0.001], 'batch_size': [16]}
    """
    axes: dict[str, list[Any]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals:
            raise ConfigError(f"grid: write OPTION=VALUE,VALUE,…, got {word!r}")
        name = name.strip().lstrip("-").replace("-", "_")
        name = _ALIASES.get(name, name)
        if name in axes:
            raise ConfigError(f"grid.{name} is given twice")
        axes[name] = [value.strip() for value in values.split(",")]
    return check_axes(axes)


def check_axes(axes: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the axes with values of the right types.

    Raises:
        ConfigError: no axis, an unknown one, no values, a value of another type, or one that comes twice.
    """
    if not axes:
        raise ConfigError(f"grid: at least one axis is needed, one of {', '.join(AXES)}")
    found: dict[str, list[Any]] = {}
    for name, values in axes.items():
        if name not in AXES:
            raise ConfigError(
                f"grid.{name} is not known{did_you_mean(name, AXES)}; allowed: {', '.join(AXES)}"
            )
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ConfigError(f"grid.{name} must be a list of values, got {values!r}")
        found[name] = [_value(name, value) for value in values]
        if len(set(found[name])) != len(found[name]):
            raise ConfigError(f"grid.{name} has a value twice: {', '.join(map(str, found[name]))}")
    return found


def points(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination, the last axis running fastest.

    >>> list(points({"a": [1, 2], "b": [3]}))
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _value(name: str, value: Any) -> Any:
    kind = AXES[name]
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float)):
            raise ValueError
        made = kind(value)
    except (TypeError, ValueError):
        word = {float: "numbers", int: "integers", str: "texts"}[kind]
        raise ConfigError(f"grid.{name} must be {word}, got {value!r}") from None
    if made != made or made in (float("inf"), float("-inf"), ""):
        raise ConfigError(f"grid.{name}: {value!r} is no value")
    return made
