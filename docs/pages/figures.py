"""Tables of what can be measured: cost models and metrics with their definitions."""

from __future__ import annotations

from collections.abc import Iterable


def cost_table() -> str:
    """Every cost model, its unit and what exactly it counts."""
    from chop.cost import COST_MODELS

    rows = [(f"`{m.name}`", m.unit, m.definition) for _, m in sorted(COST_MODELS.items())]
    return _table(("cost model", "unit", "what it counts"), rows)


def metric_table() -> str:
    """Every metric of logits, its unit, direction and definition."""
    from chop.metrics import METRICS

    better = {"maximize": "larger", "minimize": "smaller"}
    rows = [
        (f"`{name}`", metric.unit, better.get(metric.direction or "", ""), metric.definition())
        for name, metric in sorted(METRICS.items())
    ]
    return _table(("metric", "unit", "better", "what it is"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text if "`" in text else text.replace("*", "\\*").replace("_", "\\_")
