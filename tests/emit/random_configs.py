"""Random formats for every node that can have one: widths, fractions, rounding; saturating where steps are needed."""

from __future__ import annotations

from random import Random
from typing import Any

import chop
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.nn.quantizers.operands import OPERANDS


def random_config(ev: chop.Evaluator, seed: int, most: int = 8) -> dict[str, Any]:
    """A config by name; every other seed rounds half to even only, as MASE does."""
    random = Random(seed)
    made: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    for name, op in QuantizeTargets(ev.graph).ops.items():
        if op not in OPERANDS or (op == "relu" and random.random() < 0.5):
            continue
        table: dict[str, Any] = {"name": "integer"}
        for operand in (o.name for o in OPERANDS[op]):
            bits = random.randint(2, most)
            table |= {f"{operand}_width": bits, f"{operand}_frac_width": random.randint(0, bits)}
            if seed % 2:
                table[f"{operand}_rounding"] = random.choice(("half_even", "floor", "half_up"))
        made[name] = {"config": table}
    return made
