"""The tables of ``ch eval``: float and quantized side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from chop.metrics import Metrics


def metrics_text(found: Sequence[Metrics]) -> str:
    """One row a metric; tensors follow below the table.

    Args:
        found: of the float model, then of the quantized one if there is one.
    """
    from tabulate import tabulate
    from torch import Tensor

    from chop.metrics import METRICS

    rows, matrices = [], []
    for key in found[0].values:
        values = [metrics.values[key] for metrics in found]
        unit = METRICS[key.split("(")[0]].unit
        if any(isinstance(value, Tensor) for value in values):
            matrices += [f"{key} [{unit}], {name}:\n{_matrix(v)}" for name, v in _named(values)]
        else:
            rows.append([f"{key} [{unit}]", *_numbers([float(value) for value in values])])
    head = ["metric", *_columns(len(found))]
    table = [tabulate(rows, head, tablefmt="simple", disable_numparse=True, stralign="right")] if rows else []
    return "\n\n".join([*table, *matrices])


def costs_text(costs: Sequence[Mapping[str, float]]) -> str:
    """One row a cost model, for one row of data."""
    from tabulate import tabulate

    from chop.cost import COST_MODELS

    rows = [
        [f"{name} [{COST_MODELS[name].unit}]", *_numbers([cost[name] for cost in costs])] for name in costs[0]
    ]
    head = ["cost of one row", *_columns(len(costs))]
    return tabulate(rows, head, tablefmt="simple", disable_numparse=True, stralign="right")


def plain(value: float | Tensor) -> Any:
    """A number or nested lists for JSON; NaN and infinities become None.

    >>> plain(0.5), plain(float("nan"))
    (0.5, None)
    """
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    return _finite(value.tolist())


def _finite(value: Any) -> Any:
    return [_finite(item) for item in value] if isinstance(value, list) else plain(value)


def _columns(count: int) -> list[str]:
    return ["float"] if count == 1 else ["float", "quantized", "difference"]


def _named(values: Sequence[Any]) -> list[tuple[str, Any]]:
    return list(zip(("float", "quantized"), values, strict=False))


def _numbers(values: Sequence[float]) -> list[str]:
    texts = [_number(value) for value in values]
    if len(values) == 1:
        return texts
    difference = (
        values[1] - values[0]
    )  # of an infinity, as the error of a model to itself is in dB, it says nothing
    return [*texts, _number(difference, sign="+") if math.isfinite(difference) else "-"]


def _number(value: float, sign: str = "") -> str:
    # Costs are whole numbers that people compare digit by digit.
    whole = float(value).is_integer() and abs(value) >= 1
    return f"{value:{sign},.0f}" if whole else f"{value:{sign}.6g}"


def _matrix(value: Any) -> str:
    from tabulate import tabulate

    return tabulate(value.reshape(-1, value.shape[-1]).tolist(), tablefmt="plain", floatfmt=".4f")
