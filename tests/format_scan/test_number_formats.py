"""best_formats of other number formats against a loop over all of their parameters, in NumPy's float64."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import chop
from chop import Evaluator, MaseGraph
from chop.format_scan.binades import Binades
from chop.nn.quantizers import QUANTIZERS
from chop.tools.errors import ConfigError
from tests.evaluator.models import chain, data
from tests.nn import number_formats as once_more


def evaluator_of(model: nn.Module, x: torch.Tensor) -> Any:
    return SimpleNamespace(graph=MaseGraph(model), _x=x, _evaluate_formats=None)


def error(x: np.ndarray, found: np.ndarray, relu: bool = False) -> float:
    x = x.astype(np.float64)
    if relu:
        x, found = np.maximum(x, 0), np.maximum(found, 0)
    return float(((x - found) ** 2).sum())


def numbers(seed: int, count: int = 60) -> np.ndarray:
    random = np.random.default_rng(seed)
    x = random.normal(size=count) * 2.0 ** random.integers(-12, 12)
    if seed % 3 == 0:
        x *= 2.0 ** random.integers(-8, 8, count)
    if seed % 4 == 0:
        x[random.random(count) < 0.6] = 0
    return x.astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 8), st.sampled_from(["minifloat_ieee", "minifloat_denorm"]))
def test_no_small_float_is_better(seed: int, width: int, name: str) -> None:
    least = 1 if name == "minifloat_denorm" else 0
    if width - 1 - least < 1:
        return
    x = numbers(seed)
    layer = nn.Linear(len(x), 1, bias=False)
    layer.weight.data = torch.from_numpy(x)[None]
    found = chop.best_formats(evaluator_of(nn.Sequential(layer), torch.zeros(2, len(x))), width, name=name)
    row = next(row for row in found.rows if row.operand == "weight")
    function = getattr(once_more, name)
    with np.errstate(all="ignore"):
        errors = {
            (e, b): error(x, function(x, width, e, b))
            for e in range(1, width - least)
            for b in range(-45, 60 + 2**e)
        }
    assert row.mse * x.size == pytest.approx(min(errors.values()), rel=1e-9, abs=1e-30)
    of_row = row.entries["exponent_width"], row.entries["exponent_bias"]
    if of_row[1] is not None and -45 <= of_row[1] < 60:
        assert errors[of_row] == pytest.approx(row.mse * x.size, rel=1e-9, abs=1e-30)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_no_range_of_powers_is_better(seed: int, width: int) -> None:
    x = numbers(seed)
    found = chop.best_formats(
        evaluator_of(nn.Sequential(nn.ReLU()), torch.from_numpy(x)[:, None]), width, name="log"
    )
    row = found.rows[0]
    errors = [error(x, once_more.log(x, width, b), relu=True) for b in range(-60, 120)]
    assert row.mse * x.size == pytest.approx(min(errors), rel=1e-9, abs=1e-30)


def test_errors_are_those_of_what_a_relu_passes_on() -> None:
    x, y = data(300, 6, 3)
    model = nn.Sequential(nn.ReLU(), nn.Linear(6, 3)).eval()
    ev = Evaluator(model, x, y)
    for name, width in (("integer", 6), ("minifloat_ieee", 6), ("log", 4), ("mxfp4", None)):
        found = chop.best_formats(ev, width, name=name)
        row = found.rows[0]
        assert (row.node, row.operand) == ("_0", "data_in")
        layer = found["_0"]["data_in"]
        with torch.no_grad():
            exact = torch.relu(x).double()
            lost = exact - torch.relu(QUANTIZERS[name].quantizer(layer)(x)).double()
        assert row.mse == pytest.approx(lost.square().mean().item(), rel=1e-9)
        expected = 10 * math.log10(exact.square().sum() / lost.square().sum())
        assert row.sqnr_db == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("minifloat_ieee", 6),
        ("minifloat_denorm", 6),
        ("log", 4),
        ("block_fp", 5),
        ("block_minifloat", 6),
        ("block_log", 4),
        ("scale_integer", 6),
        ("mxint8", None),
        ("mxfp6_e2m3", None),
        ("binary", 1),
        ("ternary", 2),
    ],
)
def test_the_config_says_the_formats(name: str, width: int | None) -> None:
    model = chain((6, 5, 4))
    x, y = data(200, 6, 4)
    ev = Evaluator(model, x, y)
    found = chop.best_formats(ev, width, name=name)
    config = found.config()
    graph, _ = chop.passes.quantize_transform_pass(MaseGraph(model), config)
    for node in found:
        module = graph.modules[node.removeprefix("_")]
        for operand, format in found[node].items():
            assert module.formats[operand] == format
    assert 0 <= ev.evaluate(config).accuracy <= 1
    assert name in repr(found) and "format" in found.to_frame().columns


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_no_given_power_of_two_is_a_better_scale(seed: int, width: int) -> None:
    x = numbers(seed)
    layer = nn.Linear(len(x), 1, bias=False)
    layer.weight.data = torch.from_numpy(x)[None]
    found = chop.best_formats(
        evaluator_of(nn.Sequential(layer), torch.zeros(2, len(x))),
        width,
        name="scale_integer",
        entries={"scale": "best"},
    )
    row = next(row for row in found.rows if row.operand == "weight")
    most = 2 ** (width - 1) - 1
    scales = 2.0 ** np.arange(-60.0, 60.0)
    errors = [error(x, np.clip(np.rint(x.astype(np.float64) / s), -most, most) * s) for s in scales]
    assert row.mse * x.size == pytest.approx(min(errors), rel=1e-9, abs=1e-30)
    assert math.frexp(row.entries["scale"])[0] == 0.5


def test_lists_are_tried() -> None:
    x, y = data(200, 8, 4)
    ev = Evaluator(chain((8, 8, 4)), x, y)
    sizes = [[1, 8], [1, 2], [1, 4]]
    found = chop.best_formats(ev, 5, name="block_fp", entries={"block_size": sizes, "exponent_width": [4, 8]})
    assert all(len(row.errors) >= 5 for row in found.rows)
    alone = [chop.best_formats(ev, 5, name="block_fp", entries={"block_size": size}) for size in sizes]
    for place, row in enumerate(found.rows):
        assert row.mse == min(each.rows[place].mse for each in alone)
    given = chop.best_formats(ev, 8, name="scale_integer", entries={"scale": "best"})
    assert all(road.exact for road in ev.roads(given.config()))  # powers of two: whole numbers throughout
    with pytest.raises(ConfigError, match="symmetric codes"):
        chop.best_formats(ev, 8, name="scale_integer", entries={"scale": "best", "symmetric": False})
    with pytest.raises(ConfigError, match="scale must be a positive number"):
        chop.best_formats(ev, 8, name="scale_integer", entries={"scale": [0.5, "bests"]})


def test_decided_entries_are_kept() -> None:
    x, y = data(200, 6, 4)
    ev = Evaluator(chain((6, 5, 4)), x, y)
    found = chop.best_formats(ev, 6, name="minifloat_ieee", entries={"exponent_width": 3})
    assert {row.entries["exponent_width"] for row in found.rows} == {3}
    blocks = chop.best_formats(ev, 6, name="block_minifloat", entries={"block_size": [1, 2]})
    assert all(row.entries["block_size"] == [1, 2] for row in blocks.rows)
    assert len({row.entries["exponent_width"] for row in blocks.rows}) >= 1
    assert all(len(row.errors) == 5 for row in blocks.rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 8, "name": "minifloat_iee"}, "did you mean 'minifloat_ieee'"),
        ({"width": 8, "name": "mxfp4"}, "'mxfp4' has one width"),
        ({"width": 8, "name": "log", "signed": True}, "signed is for integer"),
        ({"width": 8, "name": "log", "entries": {"bias": 3}}, "entries has no 'bias'"),
        ({"width": 8, "name": "log", "entries": {"exponent_bias": "x"}}, "exponent_bias must be"),
        ({"width": 8, "entries": {"exponent_bias": 3}}, "other than integer"),
        ({"width": 8, "name": "block_fp", "entries": {"block_size": [16]}}, "several rows"),
        ({"name": "log"}, "width must be 1..32, got None"),
    ],
)
def test_errors(options: dict[str, Any], message: str) -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    if "several rows" in message:
        options = {**options, "entries": {**options["entries"], "skip_first_dim": False}}
    with pytest.raises(ConfigError, match=message):
        chop.best_formats(evaluator_of(model, torch.ones(3, 4)), **options)


def test_batches_change_nothing() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU())
    for parameter in model.parameters():
        parameter.data = torch.round(parameter.data * 16) / 16
    x = torch.round(torch.randn(200, 6) * 16) / 16
    whole = chop.best_formats(evaluator_of(model, x), 5, name="minifloat_ieee")
    parts = chop.best_formats(evaluator_of(model, x), 5, name="minifloat_ieee", batch_size=7)
    assert [row.format for row in whole.rows] == [row.format for row in parts.rows]
    assert [row.mse for row in parts.rows] == pytest.approx([row.mse for row in whole.rows], rel=1e-12)


def test_nothing_but_zeros_has_the_usual_bias() -> None:
    found = Binades()
    found.add(torch.zeros(3))
    assert found.biases(0.5, 8, 0, 0.5) == range(0)
    ev = evaluator_of(nn.Sequential(nn.ReLU()), torch.zeros(3, 2))
    row = chop.best_formats(ev, 6, name="minifloat_ieee").rows[0]
    assert row.entries["exponent_bias"] is None and row.mse == 0.0
