"""What a pool is given: how to build the state that items are worked on with."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Source:
    """A function by its name, and plain data for it: what another process can build a model and its rows from.

    Attributes:
        function: ``MODULE:NAME`` of a function of one argument.
        options: its argument: numbers, texts, lists and tables (JSON's types).

    >>> Source("math:sqrt", 9.0).call()
    3.0
    """

    function: str
    options: Any = None

    def call(self) -> Any:
        """Import the module and call the function."""
        return named(self.function)(self.options)


def named(name: str) -> Any:
    """Return what ``MODULE:NAME`` stands for.

    >>> named("os.path:sep") in "/\\\\"
    True
    """
    import importlib

    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A state, here and for workers.

    Attributes:
        here: the state in this process; it is never sent.
        source: builds the state in a worker; None where there is nothing that could.
        identity: a digest of all that results depend on, which the state of a worker must have too. ``source`` returns
            the state and its identity.
        halt: set when the caller wants no more, for calls that take long; in this process only.
    """

    here: Any
    source: Source | None = None
    identity: str = ""
    halt: threading.Event | None = None


class LostItemsError(ChildProcessError):
    """Items whose workers ended each time that they were tried; the others are done.

    Attributes:
        items: in the order that they were given in.
    """

    def __init__(self, items: list[Any], reason: str) -> None:
        super().__init__(reason)
        self.items = items


class Pool(Protocol):
    """Where work is done.

    Attributes:
        remote: whether other processes do the work, so that a recipe needs a source.
    """

    remote: bool

    @property
    def at_once(self) -> int:
        """How many items are worked on at a time."""
        ...

    def run(
        self, function: Callable[[Any, Item], Result], recipe: Recipe, items: Iterable[Item]
    ) -> Generator[tuple[Item, Result], None, None]:
        """Yield each item with what ``function(state, item)`` returns, as they are finished.

        Closing the iterator ends the work.

        Args:
            function: of a module, so that a worker finds it by its name.
            recipe: of the state.
            items: small and plain.

        Raises:
            LostItemsError: at the end, where items ended their workers each time.
            ConnectionError: the scheduler is gone.
            RuntimeError: a worker differs from this process.
        """
        ...

    def words(self) -> str:
        """Return what a progress bar shows of the workers; empty in this process."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def facts_of_process() -> Mapping[str, str]:
    """What the bits of a result may depend on beside model, rows and config."""
    import torch

    from chop import __version__

    return {
        "chop": __version__,
        "torch": str(torch.__version__),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
