"""The registries of runners, and the shape of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from chop.registry import Registry

if TYPE_CHECKING:
    from chop.actions.search.context import SearchContext


class NamesNow:
    """An attribute ``metrics`` that is worked out when it is read: a program may have registered more meanwhile."""

    def __init__(self, names: Callable[[], tuple[str, ...]]) -> None:
        self._names = names

    def __get__(self, instance: object, owner: type | None = None) -> tuple[str, ...]:
        return self._names()


class Runner(Protocol):
    """The shape of a runner."""

    metrics: ClassVar[Any]  # a tuple of names, or NamesNow
    Options: ClassVar[Any]  # a StrictTable

    def __init__(self, context: SearchContext, options: Any) -> None: ...

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]: ...


SW_RUNNERS: Registry[type[Runner]] = Registry("software runner")
HW_RUNNERS: Registry[type[Runner]] = Registry("hardware runner")
