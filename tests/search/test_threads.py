"""Calls in threads: results in order, errors in their place, nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from chop.actions.search.threads import in_order


def test_pieces_come_in_order_and_errors_in_their_place() -> None:
    free = threading.Event()

    def call(item: int) -> int:
        if item == 0:
            assert free.wait(10)
        if item == 3:
            free.set()
            raise ValueError("three")
        return item

    found: list[int] = []

    def collect(parts: Iterator[list[int]]) -> None:
        for part in parts:
            found.extend(part)

    halt = threading.Event()
    with pytest.raises(ValueError, match="three"):
        collect(in_order(call, range(8), 2, halt))
    assert found == [0, 1, 2] and halt.is_set()


def test_closing_halts_what_runs_and_starts_nothing_more() -> None:
    started: list[int] = []
    halt = threading.Event()

    def call(item: int) -> int:
        started.append(item)
        if item > 0:
            assert halt.wait(10)
        return item

    parts = in_order(call, range(50), 2, halt)
    assert next(parts)[0] == 0
    parts.close()
    assert halt.is_set() and len(started) <= 4
