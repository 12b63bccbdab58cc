"""Numbers that a forward counts up: whether any later call would do something else because of them.

Two traces in a row see a counter at 0 and at 1. ``if self.calls > 100`` shows in neither, so it is traced once more far
ahead, and once with each comparison answered the other way.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

_AHEAD = 1_000_003
_LONGER = 1_009  # what grows from call to call is this much longer then
_MOST_COMPARISONS = 64


class Watch:
    """What became of the watched numbers of one trace.

    Args:
        flip: which of the comparisons is answered the other way, none if negative.
    """

    def __init__(self, flip: int = -1) -> None:
        self.flip, self.comparisons, self.hashed, self.active = flip, 0, False, True

    def answer(self, result: bool) -> bool:
        """Return the answer that a comparison gets."""
        if not self.active:
            return result
        self.comparisons += 1
        return result != (self.comparisons - 1 == self.flip)


class _Number:
    """What watched whole numbers and fractions share; arithmetic with one gives another."""

    watch: Watch

    def __hash__(self) -> int:
        self.watch.hashed = self.watch.hashed or self.watch.active
        return hash(_plain(self))

    def __bool__(self) -> bool:
        return self.watch.answer(bool(_plain(self)))

    def __reduce__(self) -> Any:
        return type(_plain(self)), (_plain(self),)


class WatchedInt(_Number, int):
    """A whole number."""


class WatchedFloat(_Number, float):
    """A fraction."""


def watched(value: float, watch: Watch) -> Any:
    """Return a number that tells ``watch`` of whatever is decided by it.

    >>> watch = Watch(flip=1)
    >>> calls = watched(0, watch) + 1
    >>> calls > 100, calls // 2 > 100, watch.comparisons
    (False, True, 2)
    """
    made: Any = WatchedFloat(value) if isinstance(value, float) else WatchedInt(value)
    made.watch = watch
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, WatchedFloat):
        return float.__add__(value, 0.0)
    return int.__add__(value, 0) if isinstance(value, WatchedInt) else value


def _comparison(name: str) -> Callable[..., Any]:
    compare = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        result = compare(_plain(self), _plain(other))
        return self.watch.answer(result) if isinstance(result, bool) else result

    return method


def _arithmetic(name: str, reverse: bool) -> Callable[..., Any]:
    compute = divmod if name == "divmod" else getattr(operator, name)

    def method(self: Any, *others: Any) -> Any:
        given = [_plain(self), *map(_plain, others)]
        result = compute(*(reversed(given) if reverse else given))
        return watched(result, self.watch) if type(result) in (int, float) else result

    return method


def _equip(kind: Any) -> None:
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(kind, f"__{name}__", _comparison(name))
    for name in ("neg", "pos", "abs"):
        setattr(kind, f"__{name}__", _arithmetic(name, False))
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        setattr(kind, f"__{name}__", _arithmetic(name, False))
        setattr(kind, f"__r{name}__", _arithmetic(name, True))


_equip(WatchedInt)
_equip(WatchedFloat)


def numbers_apart(now: Any, before: Any) -> Iterator[tuple[Any, float]]:
    """Yield ``(place, number)`` for each key of a dict or place of a list that has another number than before."""
    for place in list(now) if isinstance(now, dict) else range(min(len(now), len(before))):
        new = now[place]
        is_new = isinstance(before, dict) and place not in before
        if type(new) in (int, float) and (
            is_new or (type(before[place]) in (int, float) and before[place] != new)
        ):
            yield place, new


def far_ahead(value: Any) -> Any:
    """Return a number as it is after very many calls."""
    return value + _AHEAD


def lengthen(held: Any, item: Any) -> None:
    """Make a list, dict or set as long as after very many calls."""
    if isinstance(held, list):
        held.extend([item] * _LONGER)
    elif isinstance(held, dict):
        held.update({object(): item for _ in range(_LONGER)})
    else:
        held.update(object() for _ in range(_LONGER))


def later_calls_differ(trace: Callable[[Watch], bool]) -> bool:
    """Whether a forward does something else when it has been called very often, or any number of times.

    Args:
        trace: traces with numbers that tell the watch; whether the graph is the one of the first call.
    """
    watch = Watch()
    if not trace(watch) or watch.hashed or watch.comparisons > _MOST_COMPARISONS:
        return True
    return any(not trace(Watch(flip)) for flip in range(watch.comparisons))
