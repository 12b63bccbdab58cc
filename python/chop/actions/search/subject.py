"""What a search is about, for those who read its study later: model, data, rows, the float model's figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective

FLOAT, OPTIONS = "float model", "options"


def subject_of(
    objective: Objective, float_metrics: Mapping[str, float], options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return plain values by name, as a study's attribute ``chop:about`` holds them.

    Args:
        objective: of the search. float_metrics: figures of the model that is quantized nowhere.
        options: keys of a TOML file from which the same model and data are built again.
    """
    context = objective.context
    found: dict[str, Any] = {
        "model": getattr(context.model_info, "name", None) or type(context.graph.model).__name__,
        "data set": _words_of(context.data_module),
        "measured on": _rows_of(objective),
        FLOAT: {name: float(value) for name, value in float_metrics.items()},
        OPTIONS: dict(options or {}),
    }
    return {name: value for name, value in found.items() if value}


def _words_of(data_module: Any) -> str:
    if hasattr(data_module, "describe"):
        return str(data_module.describe())
    return str(getattr(data_module, "name", type(data_module).__name__))


def _rows_of(objective: Objective) -> str:
    evaluator = objective.context.evaluator
    if evaluator is None:
        return ""
    options = next(iter(objective.config.sw_runner.values()), None)
    split = getattr(options, "split", None)
    return f"{evaluator.rows:,} rows" + (f" ({split})" if split else "")
