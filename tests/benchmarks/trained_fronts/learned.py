"""The front of widths that chop learns with the weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .cases import Case, Missing
from .fronts import measure


def run(case: Case, targets: Sequence[int], recipe: dict[str, Any], seed: int) -> dict[str, Any]:
    """One walk from the widest to the narrowest target, from the float weights; all points of its front."""
    try:
        from chop.training import learn_front
    except ImportError:
        raise Missing("learned did not run: this chop learns no widths") from None
    rows = {split: case.rows[split] for split in ("train", "val")}
    began = time.process_time()
    front = learn_front(case.model, rows, list(targets), recipe={**recipe, "seed": seed})
    seconds = time.process_time() - began
    points = [measure(case, each.model(case.model), each.config) for each in front]
    return {"cpu_seconds": seconds, "points": points}
