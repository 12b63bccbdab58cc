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


def nearest(name: object, known: Iterable[object]) -> str | None:
    """Return the known name that was probably meant: one slip of the finger away, else alike; None where none is.

    A slip is a letter too few, too many or wrong, two in each other's place, or capitals for small letters. Of names
    that are one slip away, that of the same letters comes first: a doubled letter is likelier than a wrong one.

    >>> nearest("yb", ["by", "default"]), nearest("linaer", ["lin", "linear"]), nearest("Adam", ["adam", "adamw"])
    ('by', 'linear', 'adam')
    >>> nearest("conv11", ["conv1d", "conv1"])
    'conv1'
    """
    given, names = str(name), [str(each) for each in known]
    folded = given.lower()
    slips = (
        lambda each: each.lower() == folded,
        lambda each: set(each.lower()) == set(folded) and _one_slip(folded, each.lower()),
        lambda each: _one_slip(folded, each.lower()),
    )
    for near in slips:
        if found := next(filter(near, names), None):
            return found
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    return close[0] if close else None


def _one_slip(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1 or min(len(a), len(b)) == 0 or max(len(a), len(b)) < 2:
        return False
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[first:], b[first:]
    if len(a) != len(b):
        return rest_a[1:] == rest_b if len(a) > len(b) else rest_a == rest_b[1:]
    swapped = rest_a[1::-1] + rest_a[2:]
    return rest_a[1:] == rest_b[1:] or swapped == rest_b


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest known name, or an empty string.

    >>> did_you_mean("liner", ["linear", "relu"])
    " (did you mean 'linear'?)"
    """
    found = nearest(name, known)
    return "" if found is None else f" (did you mean {found!r}?)"


def found_instead(missing: object, present: Iterable[object]) -> str:
    """Return ``"; found 'x' (did you mean …?)"`` for the name in place of a missing one, or an empty string.

    >>> f"'by' is missing{found_instead('by', ['bye', 'default'])}"
    "'by' is missing; found 'bye' (did you mean 'by'?)"
    """
    found = nearest(missing, present)
    return "" if found is None else f"; found {found!r} (did you mean {str(missing)!r}?)"


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
