"""Random graphs under random configs: torch's quantized graph, bit for bit, wherever the certificate says so."""

from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from chop import Evaluator, MaseGraph, _core
from chop.passes.graph import quantize_transform_pass
from tests.programs import output_on

from .random_graphs import random_config, random_data, random_model

SEEDS = st.integers(0, 2**32 - 1)
ROWS = (1, 2, 7, 31, 63, 64, 65, 100, 127, 129, 130, 300, 1000, 4097, 20000)


def check(seed: int, small: bool = False) -> str:
    """Compare one random case with torch. Returns what was promised of it."""
    random = Random(seed)
    model, shape = random_model(seed, small)
    mg = MaseGraph(model)
    config = random_config(mg, random)
    rows = ROWS[min(random.randrange(len(ROWS)), random.randrange(len(ROWS)))]
    x, y = random_data(shape, rows, seed)
    quantized, _ = quantize_transform_pass(MaseGraph(model), config)
    with torch.no_grad():
        expected = quantized.model.eval()(x)
    ev = Evaluator(mg, x, y, threads=random.randint(1, 4))
    found, certificate = ev.forward(config), ev.certificate(config)
    case = f"seed {seed}, small {small}, {rows} rows, {config}\n{model.steps}\n{model}\n{certificate!r}"
    if certificate.quantized_part_is_exact and not certificate.behind:
        same = found.eq(expected) | (found.isnan() & expected.isnan())
        assert same.all(), f"{int((~same).sum())} of {same.numel()} logits differ: {case}"
        return "exact"
    # Float sums in another order: a number near the middle of two grid points may go to either.
    close = torch.isclose(found, expected, rtol=1e-4, atol=1e-4 * _scale(expected), equal_nan=True).all(1)
    few = 0 if certificate.quantized_part_is_exact else max(3, rows // 5)
    assert int((~close).sum()) <= few, f"{int((~close).sum())} of {rows} rows differ: {case}"
    return "close"


def test_a_norm_over_one_channel_after_a_linear_layer_on_three_dimensions() -> None:
    assert check(293) == "exact"  # rows of shape [1, 4]: the layer's outputs are no channels


@pytest.mark.parametrize("length", [8, 6])
@pytest.mark.parametrize("width", [8, 12])
def test_a_linear_layer_reads_along_the_places_of_a_convolution(length: int, width: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(3, 8, 3, padding=1), nn.ReLU(), nn.Linear(length, 5)).eval()
    table = {
        f"{operand}_{field}": value
        for operand in ("data_in", "weight", "bias")
        for field, value in (("width", width), ("frac_width", 4))
    }
    rule = {"config": {"name": "integer", **table}}
    config = {"by": "type", "default": {"config": {"name": None}}, "linear": rule, "conv1d": rule}
    x = torch.randn(70, 3, length)
    quantized, _ = quantize_transform_pass(MaseGraph(model), config)
    with torch.no_grad():
        assert torch.equal(Evaluator(MaseGraph(model), x).forward(config), quantized.model.eval()(x))


def _scale(values: torch.Tensor) -> float:
    finite = values[values.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 1.0


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(SEEDS, st.booleans())
def test_logits_equal_torch_wherever_the_certificate_says_so(seed: int, small: bool) -> None:
    check(seed, small)


@pytest.mark.soak
def test_logits_equal_torch_soak() -> None:
    promised = [check(seed, small) for seed in range(1000) for small in (False, True)]
    print(f"\n2000 cases, {promised.count('exact')} exact")  # noqa: T201  the result of a soak
    assert promised.count("exact") > 800


def test_most_cases_are_exact() -> None:
    """The tests above would say nothing if the certificate promised little."""
    assert [check(seed) for seed in range(20)].count("exact") >= 8


PROGRAM = """
from tests.evaluator.test_random_graphs import check
from chop import _core
print(_core.active_isa(), sum(check(seed) == "exact" for seed in range(100, 106)) > 1)
"""


@pytest.mark.parametrize("isa", _core.available_isas())
def test_on_every_instruction_set(isa: str) -> None:
    assert output_on(isa, PROGRAM).split() == [isa, "True"]
