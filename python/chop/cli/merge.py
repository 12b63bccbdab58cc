"""Default, config file and typed values become one validated set of options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from chop.cli.options import Options, defaults, flags, keys
from chop.registry import did_you_mean
from chop.tools.config_load import load_config, merge_options
from chop.tools.errors import ConfigError

TABLES = ("passes", "search")


@dataclass(frozen=True)
class Merged:
    """The options of one run and where they came from.

    Args:
        options: the effective values, validated.
        config: field -> value, as the config file says; None without a config file.
        typed: field -> value, as typed.
        tables: the tables [passes] and [search] of the config file.
        path: the config file.
        argv: the words of the command line.
    """

    options: Options
    config: dict[str, Any] | None = None
    typed: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    path: str | None = None
    argv: tuple[str, ...] = ()


def merge(typed_text: Mapping[str, Any], config_path: str | os.PathLike[str] | None = None) -> Merged:
    """Read the config, check it, lay the typed values over it, check again.

    Args:
        typed_text: field -> what the parser saw (text, True or False, list of texts).
        config_path: TOML file, or None.

    Raises:
        ConfigError: the first thing that is wrong: file, key or value.

    >>> merged = merge({"learning_rate": "1e-2", "model": "jsc-toy"})
    >>> merged.options.learning_rate, merged.options.model, merged.options.max_epochs
    (0.01, 'jsc-toy', 20)
    >>> merge({"batch_size": "big"})
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: --batch-size must be an integer in 1..2147483647, got 'big'
    """
    path = os.fspath(config_path) if config_path is not None else None
    return merge_loaded(typed_text, load_config(path) if path is not None else None, path)


def merge_loaded(typed_text: Mapping[str, Any], config: Mapping[str, Any] | None, path: str | None) -> Merged:
    """The same for a config that is already read; ``path`` only opens the messages."""
    where = f"{path}: " if path is not None else ""
    typed = {name: _from_text(Options.model_fields[name], value) for name, value in typed_text.items()}
    values, tables = _split(config or {}, where)
    # The file is checked on its own too: a value that was typed must not hide a bad one.
    _validate(merge_options(defaults(), values, {}), {}, where)
    options = _validate(merge_options(defaults(), values, typed), typed, where)
    return Merged(options, None if config is None else values, typed, tables, path)


def _split(config: Mapping[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    known = keys()
    values, tables = {}, {}
    for key, value in config.items():
        if key in TABLES:
            if not isinstance(value, dict):
                raise ConfigError(f"{where}{key} must be a table, got {_show(value)}")
            tables[key] = value
        elif key in known:
            values[known[key]] = value
        else:
            hint = did_you_mean(key, [*known, *TABLES]) or "; allowed: " + ", ".join([*known, *TABLES])
            raise ConfigError(f"{where}unknown key {_show(key)}{hint}")
    return values, tables


def _validate(values: Mapping[str, Any], typed: Mapping[str, Any], where: str) -> Options:
    try:
        return Options(**values)
    except ValidationError as error:
        place = str(error.errors(include_url=False)[0]["loc"][0])
    name = keys().get(place, place)
    key = Options.model_fields[name].alias or name
    spellings = flags()[name].spellings
    label = (spellings[0] if spellings else name) if name in typed else f"{where}{key}"
    value = values[name]
    raise ConfigError(f"{label} must be {allowed(name)}, got {_show(value)}{_choice_hint(name, value)}")


def allowed(name: str) -> str:
    """Say in words what the option ``name`` may be.

    >>> allowed("load_type"), allowed("max_steps"), allowed("is_pretrained")
    ('one of mz, pt, pl, hf', 'an integer in -1..2147483647', 'true or false')
    """
    info = Options.model_fields[name]
    words = choices(info)
    kind = _kind(info)
    if words:
        return f"one of {', '.join(words)}"
    if kind in (int, float):
        limits = list(_limits(info.metadata, info.annotation))
        low = next(item.ge for item in limits if isinstance(item, annotated_types.Ge))
        high = next(item.le for item in limits if isinstance(item, annotated_types.Le))
        return f"{'an integer' if kind is int else 'a number'} in {low}..{high:.10g}"
    if name == "grid":
        return "a list of texts such as 'learning_rate=1e-5,1e-3'"
    if name == "learn_widths":
        return "a list of texts such as 'ebops_hgq.max=1500'"
    if name == "class_order":
        return "letters or names of classes, such as 'gqwzt' or 'g,q,w,z,t'"
    return {bool: "true or false", list: "a list of files or modules"}.get(kind, "a text that is not empty")


def _limits(metadata: Iterable[Any], annotation: Any) -> Iterator[Any]:
    """What limits a number, also where the number is one kind of several: a FieldInfo of its own says it there."""
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)
    for part in get_args(annotation):
        yield from _limits(getattr(part, "__metadata__", ()), part)


def _kind(info: FieldInfo) -> Any:
    """The plain type of a field: int, float, bool, str, list or Literal."""
    annotation: Any = info.annotation
    while get_origin(annotation) is not None:
        origin = get_origin(annotation)
        if origin in (list, Literal):
            return origin
        # Union with None, or Annotated inside one: the first argument carries the type.
        annotation = get_args(annotation)[0] if origin in (Union, UnionType) else annotation.__origin__
    return annotation


def choices(info: FieldInfo) -> tuple[str, ...]:
    """The words that a field may be; none for a field of another kind."""
    annotation: Any = info.annotation
    if get_origin(annotation) in (Union, UnionType):
        annotation = get_args(annotation)[0]
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _choice_hint(name: str, value: Any) -> str:
    words = choices(Options.model_fields[name])
    return did_you_mean(value, words) if isinstance(value, str) else ""


def _from_text(info: FieldInfo, value: Any) -> Any:
    """Make a number of typed text where the field is one; what does not convert is left to the validator."""
    converter = {int: int, float: float}.get(_kind(info))
    if converter is None or not isinstance(value, str):
        return value
    try:
        return converter(value)
    except ValueError:
        return value


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
