"""The space that the pools sweep in tests and benchmarks: a worker builds it by name."""

from __future__ import annotations

from typing import Any

from tests.sweep.spaces import choices, evaluator, table

JSC_MLP = (16, 64, 32, 32, 5)
WIDTHS = {"data_in_width": [4, 6, 8, 10], "weight_width": [2, 4, 6, 8]}


def ev_and_space(options: dict[str, Any]) -> tuple[Any, Any]:
    """``rows`` of data; ``several``: layers with choices of their own, 16 each."""
    return evaluator(options["rows"], tuple(options.get("sizes", JSC_MLP))), table(linear=choices(**WIDTHS))
