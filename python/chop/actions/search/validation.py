"""Tables of a config checked against a pydantic model; every complaint in the words of this project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError


class StrictTable(BaseModel):
    """A table of a config: no unknown keys, no silent conversion (``"8"`` is not 8, ``true`` is not 1)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


TableT = TypeVar("TableT", bound=StrictTable)


def validate_table(model: type[TableT], table: object, where: str) -> TableT:
    """Return ``table`` as a ``model``.

    Args:
        model: the schema.
        table: what the config file holds at ``where``.
        where: key path of the table, such as ``search.strategy.setup``; it opens each message.

    Raises:
        ConfigError: all that is wrong with the table, in one line.

    >>> class Point(StrictTable):
    ...     width: int
    >>> validate_table(Point, {"widht": 3, "width": 8}, "point")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: point.widht is not known (did you mean 'width'?); known: width
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table, got {table!r}")
    try:
        return model.model_validate(dict(table))
    except ValidationError as error:
        known = list(model.model_fields)
        raise ConfigError("; ".join(_sentence(item, where, known) for item in error.errors())) from None


def _sentence(error: Any, where: str, known: list[str]) -> str:
    path = ".".join([where, *(str(part) for part in error["loc"])])
    given, context = error.get("input"), error.get("ctx", {})
    if error["type"] == "missing":
        return f"{path} is missing"
    if error["type"] == "extra_forbidden":
        key = error["loc"][-1]
        return f"{path} is not known{did_you_mean(key, known)}; known: {', '.join(known) or 'none'}"
    if error["type"] == "literal_error":
        allowed = [word.strip("' ") for word in context["expected"].replace(" or ", ",").split(",")]
        return f"{path} must be one of {', '.join(allowed)}, got {given!r}{did_you_mean(given, allowed)}"
    if error["type"] == "value_error":
        return f"{path}: {context['error']}"
    text = error["msg"].removeprefix("Input should be ")
    return f"{path} must be {text}, got {given!r}"
