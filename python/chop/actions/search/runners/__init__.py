"""Runners measure a configuration: software runners on data, hardware runners from the config alone.

A runner is a class with ``metrics`` (names that it yields), ``Options`` (a strict table),
``__init__(context, options)`` and ``__call__(config) -> dict of metric name to float``. Register one of your
own in ``SW_RUNNERS`` or ``HW_RUNNERS``. A software runner with ``trains = True`` changes the weights of its
context's graph; then, and where the space changes the model, runners are made anew for each trial on a copy
of the graph, those that train first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from chop.registry import Registry

if TYPE_CHECKING:
    from chop.actions.search.context import SearchContext


class Runner(Protocol):
    """The shape of a runner."""

    metrics: ClassVar[tuple[str, ...]]
    Options: ClassVar[Any]  # a StrictTable

    def __init__(self, context: SearchContext, options: Any) -> None: ...

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]: ...


SW_RUNNERS: Registry[type[Runner]] = Registry("software runner")
HW_RUNNERS: Registry[type[Runner]] = Registry("hardware runner")

# Each member registers itself when its file is imported.
from chop.actions.search.runners import average_bitwidth, basic_evaluation, basic_train  # noqa: E402, F401
