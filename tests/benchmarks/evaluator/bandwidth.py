"""How fast the machine reads: the bound of an evaluator whose input is float."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

FLOATS_A_ROW = 17  # 16 features of 4 bytes and 4 bytes of label
EVICTING = 16_000_000  # floats touched before each trial read, so that the buffer is not in a cache
TRIALS = 3


def read_probe(rows: int) -> tuple[str, Callable[[], object]]:
    """Return the fastest of several sums over 68 bytes a row, one thread, and its name.

    Each of them reads every byte of a buffer once, front to back, and writes a single number.
    """
    buffer = torch.ones(rows * FLOATS_A_ROW + rows * FLOATS_A_ROW % 2)  # a whole number of 8-byte words
    words, array = buffer.view(torch.int64), buffer.numpy()
    reads: dict[str, Callable[[], object]] = {
        "torch.sum of float32": buffer.sum,
        "torch.sum of int64": words.sum,
        "torch.amax of float32": buffer.amax,
        "numpy.dot of the buffer with itself": lambda: np.dot(array, array),
    }
    evicting = torch.zeros(EVICTING)

    def cold(read: Callable[[], object]) -> float:
        evicting.add_(1)
        start = time.perf_counter()
        read()
        return time.perf_counter() - start

    best = min(reads, key=lambda name: statistics.median(cold(reads[name]) for _ in range(TRIALS)))
    return best, reads[best]
