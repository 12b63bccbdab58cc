"""What stands beside an axis has the unit that the number has."""

from __future__ import annotations

from chop.cost import COST_MODELS
from chop.plotting.style import LABELS


def test_units_are_those_of_the_cost_models() -> None:
    shown = {name: text for name, text in LABELS.items() if name in COST_MODELS and "[" in text}
    assert {"average_bitwidth", "model_size"} <= set(shown)
    for name, text in shown.items():
        assert text.endswith(f"[{COST_MODELS[name].unit.removesuffix('s')}]"), name
