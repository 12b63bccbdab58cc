"""The lock of a sampler that threads share."""

from __future__ import annotations

import threading
from types import TracebackType


class SamplerLock:
    """A reentrant lock; pickles and copies of its owner get one of their own, as samplers are pickled with studies.

    >>> import pickle
    >>> with SamplerLock() as lock, pickle.loads(pickle.dumps(lock)) as other:
    ...     other is lock
    False
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> SamplerLock:
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[SamplerLock], tuple[()]]:
        return SamplerLock, ()
