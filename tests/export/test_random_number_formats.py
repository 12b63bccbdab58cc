"""Random graphs in random formats whose numbers stand for themselves: what ONNX can say is equal in every bit."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from chop import Evaluator, MaseGraph
from chop.export import export
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.tools.errors import ConfigError
from tests.evaluator.number_formats import fields
from tests.evaluator.random_graphs import random_data, random_model

pytest.importorskip("onnxruntime", reason="what runs the files is not installed")


def random_format(random: Random) -> dict[str, Any]:
    """A config of one operation."""
    exponent, bias = random.randint(1, 4), random.choice([None, None, random.randint(-2, 9)])
    kind = random.randrange(4)
    if kind < 2:
        width = random.randint(exponent + 2, 9)
        name = ("minifloat_ieee", "minifloat_denorm")[kind]
        return fields(name, width=width, exponent_width=exponent, exponent_bias=bias)
    if kind == 2:
        return fields("log", width=random.randint(3, 5), exponent_bias=bias)
    return fields("scale_integer", width=random.randint(3, 10), scale=random.choice([0.125, 0.5, 0.3]))


def check(seed: int, path: Path) -> str:
    """Export one random case. Returns what became of it."""
    random = Random(seed)
    model, shape = random_model(seed, small=True)
    mg = MaseGraph(model)
    config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    for name, op in QuantizeTargets(mg).ops.items():
        if op in ("linear", "conv1d", "conv2d", "matmul") or random.random() < 0.5:
            config[name] = {"config": random_format(random)}
    ev = Evaluator(mg, *random_data(shape, 130, seed))
    try:
        made = export(ev, config, "onnx-arithmetic", path / str(seed))
    except ConfigError as refused:
        assert "export to onnx-arithmetic: " in str(refused)
        return "refused"
    assert made.equal, f"seed {seed}: {made}\n{config}\n{model}"
    return "equal"


def test_random_graphs(tmp_path: Path) -> None:
    found = [check(seed, tmp_path) for seed in range(8)]
    assert found.count("equal") >= 4


@pytest.mark.soak
def test_random_graphs_soak(tmp_path: Path) -> None:
    found = [check(seed, tmp_path) for seed in range(8, 200)]
    print(f"\n{found.count('equal')} equal, {found.count('refused')} refused")  # noqa: T201  the result of a soak
    assert found.count("equal") > 100
