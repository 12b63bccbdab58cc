"""A lock that no process forks with in the hands of another thread, so that a child never finds it taken for ever."""

from __future__ import annotations

import os
import threading
import time
import weakref
from types import TracebackType

# A holder that waits for the very thread that forks must not hold up the fork for good.
_LONGEST_WAIT = 10.0  # seconds


class ForkLock:
    """A reentrant lock; pickles and copies of its owner get one of their own.

    ``os.fork`` waits until no other thread holds one, so what they guard is whole in the child. One that is held for
    more than ten seconds is new there instead.

    >>> import pickle
    >>> with ForkLock() as lock, pickle.loads(pickle.dumps(lock)) as other:
    ...     other is lock
    False
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        with _forks.registry:
            _forks.locks.add(self)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it, as ``threading.RLock.acquire``."""
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Give it back once."""
        self._lock.release()

    def __enter__(self) -> ForkLock:
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[ForkLock], tuple[()]]:
        return ForkLock, ()

    def renew(self) -> None:
        """Forget who holds it: a thread that does not exist in this process."""
        self._lock = threading.RLock()


class _Forks:
    """Takes all locks before a fork and gives them back on both sides."""

    def __init__(self) -> None:
        self.registry = threading.RLock()  # of the set
        self.locks = weakref.WeakSet[ForkLock]()
        self._held: list[ForkLock] = []
        self._lost: list[ForkLock] = []

    def before(self) -> None:
        """All or none at a time, for two threads that each hold what the other waits for would wait for ever."""
        end, lost = time.monotonic() + _LONGEST_WAIT, list[ForkLock]()
        while True:
            self.registry.acquire()
            held = list[ForkLock]()
            taken = next((each for each in set(self.locks) - set(lost) if not _take(each, held)), None)
            if taken is None:
                self._held, self._lost = held, lost
                return
            for each in held:
                each.release()
            self.registry.release()
            if taken.acquire(timeout=max(0.0, end - time.monotonic())):
                taken.release()
            else:
                lost.append(taken)

    def after_in_parent(self) -> None:
        for each in self._held:
            each.release()
        self._held, self._lost = [], []
        self.registry.release()

    def after_in_child(self) -> None:
        for each in self._lost:
            each.renew()
        self.after_in_parent()


def _take(lock: ForkLock, held: list[ForkLock]) -> bool:
    if not lock.acquire(blocking=False):
        return False
    held.append(lock)
    return True


_forks = _Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_forks.before,
        after_in_parent=_forks.after_in_parent,
        after_in_child=_forks.after_in_child,
    )
