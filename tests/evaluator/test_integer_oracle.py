"""The integer roads against sums in Python's own integers, with one rounding at the end."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from chop import Evaluator, _core
from tests.programs import output_on

from .integer_oracle import layer_sums
from .models import integer

# data_in, weight and bias: width and fraction width; inputs have both signs or not; the road that this takes.
CASES = {
    "int8": ((8, 4, 8, 6, 8, 4), True, "int8"),
    "int8, zero offset 0": ((8, 4, 8, 6, 8, 4), False, "int8"),
    "int8, narrow": ((3, 1, 2, 0, 5, 2), True, "int8"),
    "int8, bias finer": ((8, 4, 8, 6, 12, 14), True, "int8"),
    "int8, shift beyond 2^24": ((8, 4, 8, 4, 20, 20), True, "int8"),
    "int16 beyond 2^24": ((14, 8, 12, 9, 16, 8), True, "int16"),
    "int16, bias finer": ((12, 6, 10, 8, 16, 17), True, "int16"),
    "int32 beyond 2^24": ((20, 10, 8, 6, 16, 8), True, "int32"),
    "int32, weights wider": ((6, 3, 20, 14, 16, 8), True, "int32"),
    "fp64": ((20, 12, 20, 14, 20, 10), True, "fp64"),
    "fp32": ((10, 5, 6, 3, 8, 4), True, "fp32"),
}


def layers(random: Random) -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    n = random.randint
    groups = random.choice((1, 2, 4))
    return {
        "linear": (nn.Linear(n(1, 20), n(1, 18)), ()),
        "rows": (nn.Linear(n(1, 9), n(1, 5)), (n(1, 4),)),
        "conv1d": (nn.Conv1d(4, 4 * n(1, 3), n(1, 3), n(1, 2), n(0, 1), n(1, 2), groups), (4, n(6, 9))),
        "conv2d": (
            nn.Conv2d(4, 4 * n(1, 2), (n(1, 3), n(1, 2)), n(1, 2), 0, n(1, 2), groups),
            (4, n(5, 7), n(5, 7)),
        ),
    }


def check(name: str, kind: str, rows: int, seed: int) -> None:
    widths, signed, road = CASES[name]
    random = Random(f"{name} {kind} {rows} {seed}")
    layer, shape = layers(random)[kind]
    if kind in ("linear", "rows"):
        shape = (*shape, layer.in_features)
    generator = torch.Generator().manual_seed(random.randrange(2**32))
    span = 2.0 ** (widths[0] - 1 - widths[1])  # of the inputs: some saturate
    x = torch.randn(rows, *shape, generator=generator) * span * 0.6
    with torch.no_grad():
        layer.weight.copy_(
            torch.randn(layer.weight.shape, generator=generator) * 2.0 ** (widths[2] - 2 - widths[3])
        )
        layer.bias.copy_(
            torch.randn(layer.bias.shape, generator=generator) * 2.0 ** (widths[4] - 2 - widths[5])
        )
    front = nn.Identity() if signed else nn.ReLU()
    table = integer(*widths)
    config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}, "_1": {"config": table}}
    ev = Evaluator(nn.Sequential(front, layer, nn.Flatten()), x, torch.zeros(rows, dtype=torch.int64))
    expected = layer_sums(layer, x if signed else x.relu(), table)
    found = ev.forward(config)
    (taken,) = ev.roads(config)
    assert torch.equal(found, expected.floats().flatten(1)), (name, kind, rows, layer, ev.certificate(config))
    if kind == "linear":
        # Few inputs may have a bound that another road serves as well.
        assert taken.road == road or taken.bound < 2**24 or road == "fp64", taken


@pytest.mark.parametrize("kind", ["linear", "rows", "conv1d", "conv2d"])
@pytest.mark.parametrize("name", CASES)
def test_sums_equal_those_of_integers(name: str, kind: str) -> None:
    for rows in (1, 65, 130) if kind == "linear" else (3, 64):
        check(name, kind, rows, seed=0)


def test_every_tail() -> None:
    names = list(CASES)
    for rows in range(1, 131):
        check(names[rows % len(names)], "linear", rows, seed=1)


@pytest.mark.parametrize(
    "name", ["int8, shift beyond 2^24", "int16 beyond 2^24", "int32 beyond 2^24", "fp64"]
)
def test_the_cases_reach_beyond_what_float32_holds(name: str) -> None:
    widths = CASES[name][0]
    layer = nn.Linear(20, 8)
    with torch.no_grad():
        layer.weight.normal_(std=2.0 ** (widths[2] - 2 - widths[3]))
        layer.bias.normal_(std=2.0 ** (widths[4] - 2 - widths[5]))
    x = torch.randn(64, 20) * 2.0 ** (widths[0] - 1 - widths[1])
    ev = Evaluator(nn.Sequential(layer), x, torch.zeros(64, dtype=torch.int64))
    row = ev.certificate({"by": "type", "default": {"config": integer(*widths)}}).layers[0]
    assert row.road == CASES[name][2] and row.reach >= 2**24


PROGRAM = """
from tests.evaluator.test_integer_oracle import CASES, check
from chop import _core
for name in CASES:
    for kind in ("linear", "rows", "conv1d", "conv2d"):
        check(name, kind, 67, seed=2)
print(_core.active_isa())
"""


@pytest.mark.parametrize("isa", _core.available_isas())
def test_on_every_instruction_set(isa: str) -> None:
    assert output_on(isa, PROGRAM).strip() == isa
