"""Costs of formats of single channels, features and weights: sums over every multiplication, in whole numbers."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chop.cost import Costs
from chop.nn.quantizers import ElementFormat, ElementQuantizer
from tests.evaluator.models import by_type, integer

MODELS = ("ebops", "ebops_hgq", "ebops_hgq2", "bitops", "bitops_arithmetic", "model_size", "average_bitwidth")


def random_table(shape: tuple[int, ...], channels: int, seed: int, whole: bool) -> dict[str, Any]:
    r = np.random.default_rng(seed)
    weight = shape if whole else shape[:1]
    return {
        "name": "integer",
        "data_in_width": r.integers(0, 9, channels),
        "data_in_frac_width": 3,
        "weight_width": r.integers(0, 7, weight),
        "weight_frac_width": r.integers(0, 5, weight),
        "bias_width": r.integers(0, 9, shape[0]),
        "bias_frac_width": 4,
        "weight_overflow": "wrap" if seed % 2 else "saturate",
    }


def over(numbers: Any, shape: tuple[int, ...]) -> np.ndarray:
    found = np.asarray(numbers)
    return np.broadcast_to(found.reshape(-1, *[1] * (len(shape) - 1)) if found.ndim == 1 else found, shape)


def by_hand(layer: Any, table: dict[str, Any], rows: int, size: tuple[int, ...]) -> dict[str, float]:
    """One multiplication after the other, at each place of the output."""
    shape = tuple(layer.weight.shape)
    widths, fracs = over(table["weight_width"], shape), over(table["weight_frac_width"], shape)
    wraps = table["weight_overflow"] == "wrap"
    format = ElementFormat.of(widths, fracs, overflow=table["weight_overflow"])
    codes = (ElementQuantizer(format)(layer.weight.detach()).double().numpy() * 2.0**fracs).astype(int)
    spans = np.array([len(bin(abs(int(c)))[2:].strip("0")) for c in codes.ravel()]).reshape(shape)
    groups, padding = getattr(layer, "groups", 1), getattr(layer, "padding", (0,) * (len(shape) - 2))
    out = layer(torch.zeros(1, *size)).shape[2:]
    found = dict.fromkeys(("ebops", "ebops_hgq", "ebops_hgq2", "arithmetic"), 0)
    for o, c in product(range(shape[0]), range(shape[1])):
        bits = int(table["data_in_width"][o // (shape[0] // groups) * shape[1] + c])
        for tap in product(*map(range, shape[2:])):
            w, span = int(widths[(o, c, *tap)]), int(spans[(o, c, *tap)])
            for place in product(*map(range, out)):
                at = [p + t - pad for p, t, pad in zip(place, tap, padding, strict=True)]
                inside = all(0 <= a < s for a, s in zip(at, size[1:], strict=True))
                found["ebops"] += bits * span
                found["ebops_hgq"] += max(bits - 1, 0) * span
                found["ebops_hgq2"] += inside * bits * (max(w - 1, 0) if wraps else w)
                found["arithmetic"] += bits * w
    biases = float(np.sum(table["bias_width"]))
    places_in, places_out = int(np.prod(size[1:])), int(np.prod(out))
    # The bias overflows as the weight does, and a wrapping format's sign is not counted.
    found["ebops_hgq2"] += places_in * float(np.maximum(table["bias_width"] - wraps, 0).sum())
    terms = int(np.prod(shape[1:]))
    arithmetic = found.pop("arithmetic") * (2 - 1 / terms) + places_out * biases
    work = shape[0] * terms * places_out
    return {
        **{name: rows * value for name, value in found.items()},
        "bitops": rows * work * float(np.mean(table["data_in_width"])),
        "bitops_arithmetic": rows * arithmetic,
        "model_size": (widths.sum() + biases) / 8,
        "average_bitwidth": widths.mean(),
    }


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: nn.Linear(6, 5), (6,)),
        (lambda: nn.Conv1d(4, 6, 3, padding=1, groups=2), (4, 5)),
        (lambda: nn.Conv2d(2, 3, (2, 3), padding=(1, 0)), (2, 4, 5)),
    ],
)
def test_every_multiplication_counts_with_its_own_bits(make: Any, size: tuple[int, ...], whole: bool) -> None:
    for seed in range(4):
        torch.manual_seed(seed)
        layer = make()
        kind = type(layer).__name__.lower()
        table = random_table(tuple(layer.weight.shape), size[0], seed, whole)
        costs = Costs(nn.Sequential(layer), 3, MODELS, size)
        found, expected = costs.evaluate(by_type(**{kind: table})), by_hand(layer, table, 3, size)
        for name, value in expected.items():
            if name == "bitops" and kind != "linear":
                continue  # MASE's work of a convolution is another count
            assert found[name] == pytest.approx(value, rel=1e-12), (name, kind, seed)


def test_lists_of_one_number_cost_what_the_number_costs() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.ReLU())
    costs = Costs(model, 2, None, (2, 7))
    fixed = integer(6, 3, 5, 2, 7, 3)
    sizes = {"data_in": 2, "weight": (3, 2, 3), "bias": 3}
    listed = {
        **fixed,
        **{
            f"{o}_{f}": np.full(n, fixed[f"{o}_{f}"])
            for o, n in sizes.items()
            for f in ("width", "frac_width")
        },
    }
    assert costs.evaluate(by_type(conv1d=listed)) == pytest.approx(
        costs.evaluate(by_type(conv1d=fixed)), rel=1e-12
    )


def test_a_result_is_kept_at_the_mean_of_its_readers_widths() -> None:
    model = nn.Sequential(nn.ReLU())
    costs = Costs(model, 2, ("activation_memory",), (4,))
    relu = {"name": "integer", "data_in_width": [2, 0, 8, 4], "data_in_frac_width": 1}
    assert costs.evaluate(by_type(relu=relu)) == {"activation_memory": (2 * 14 + 2 * 4 * 32) / 8}
