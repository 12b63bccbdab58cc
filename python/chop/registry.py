"""One registry for everything that has a name: models, data sets, quantizers, metrics, samplers.

Source: MASE keeps such tables as plain dicts (``PHYSICAL_MODELS``); a :class:`Registry` is a mapping too, so code that
adds or reads entries with ``[...]`` works as it does there.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Generic, TypeVar

T = TypeVar("T")


class UnknownNameError(KeyError, ValueError):
    """A name that a table does not hold. The message names it, the known names, and the nearest one."""

    def __str__(self) -> str:
        # KeyError would show the repr of its argument, quotes included.
        return str(self.args[0])


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest known name, or an empty string.

    >>> did_you_mean("liner", ["linear", "relu"])
    " (did you mean 'linear'?)"
    """
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def found_instead(missing: object, present: Iterable[object]) -> str:
    """Return ``"; found 'x'"`` for the name among ``present`` that was probably meant, or an empty string.

    >>> f"'by' is missing{found_instead('by', ['bye', 'default'])}"
    "'by' is missing; found 'bye'"
    """
    close = difflib.get_close_matches(str(missing), [str(name) for name in present], n=1, cutoff=0.6)
    return f"; found {close[0]!r}" if close else ""


class Registry(MutableMapping[str, T], Generic[T]):
    """A mapping of names to members of one kind.

    Args:
        kind: what the members are, in one word; it opens the error messages.

    Raises:
        UnknownNameError: (a KeyError and a ValueError) when an unknown name is looked up.
        ValueError: when a name is registered or set a second time.

    >>> METRICS = Registry("metric")
    >>> @METRICS.register("zero")
    ... def zero(x):
    ...     return 0
    >>> METRICS["zero"](3)
    0
    >>> METRICS["zerro"]
    Traceback (most recent call last):
    ...
    chop.registry.UnknownNameError: metric 'zerro' is not known (did you mean 'zero'?); known: zero
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._members: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds the decorated object under ``name`` and returns it unchanged."""

        def add(member: T) -> T:
            self[name] = member
            return member

        return add

    def __getitem__(self, name: str) -> T:
        try:
            return self._members[name]
        except (KeyError, TypeError):
            known = ", ".join(sorted(self._members)) or "none"
            hint = did_you_mean(name, self._members)
            raise UnknownNameError(f"{self.kind} {name!r} is not known{hint}; known: {known}") from None

    def __setitem__(self, name: str, member: T) -> None:
        if name in self._members:
            raise ValueError(f"{self.kind} {name!r} is already registered")
        self._members[name] = member

    def __delitem__(self, name: str) -> None:
        self[name]
        del self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}: {', '.join(sorted(self._members))})"
