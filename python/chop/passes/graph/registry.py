"""The table of graph passes: what ``[passes.<name>]`` of a TOML file finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from chop.registry import Registry
from chop.tools.errors import ConfigError

Pass = Callable[..., Any]
P = TypeVar("P", bound=Pass)

PASSES: Registry[Pass] = Registry("pass")
ANALYSIS_PASSES: list[str] = []
TRANSFORM_PASSES: list[str] = []
INTERFACE_PASSES: list[str] = []

_KINDS = {"analysis": ANALYSIS_PASSES, "transform": TRANSFORM_PASSES, "interface": INTERFACE_PASSES}


def register_pass(name: str, kind: str) -> Callable[[P], P]:
    """Decorator that lists a pass under its command-line name.

    Args:
        name: what a config writes after ``passes.``.
        kind: analysis, transform or interface.
    """

    def add(function: P) -> P:
        PASSES[name] = function
        _KINDS[kind].append(name)
        return function

    return add


def pass_table(pass_args: Any, name: str) -> dict[str, Any]:
    """Return a pass's arguments as a dict of its own; None is an empty one.

    Raises:
        ConfigError: no table.

    >>> pass_table({"a": 1}, "report_graph"), pass_table(None, "report_graph")
    ({'a': 1}, {})
    """
    if pass_args is None:
        return {}
    if not isinstance(pass_args, Mapping):
        raise ConfigError(f"{name}: the arguments must be a table, got {pass_args!r}")
    return dict(pass_args)


def path_argument(pass_args: Mapping[str, Any] | str | Path | None, key: str, where: str) -> str | Path:
    """Return the path that a pass was given, plain or under ``key``; ConfigError where there is none."""
    path = pass_args.get(key) if isinstance(pass_args, Mapping) else pass_args
    if not isinstance(path, (str, Path)) or not str(path):
        raise ConfigError(f"{where}: {key} must be a path, got {path!r}")
    return path
