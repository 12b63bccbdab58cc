"""The table of graph passes: what ``[passes.<name>]`` of a TOML file finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from chop.registry import Registry

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
