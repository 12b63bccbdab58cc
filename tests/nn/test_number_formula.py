"""The formula of number formats in plain operators gives the operator's bits, whatever the parameters and numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chop.nn.quantizers import QUANTIZERS, NumberFormat
from chop.nn.quantizers.number_format import quantize_number
from chop.nn.quantizers.number_formula import has_formula, number_formula
from chop.nn.quantizers.plain import plain_operators
from chop.tools.errors import ConfigError

BIASES = st.one_of(st.none(), st.integers(-140, 200))
SCALES = st.one_of(st.sampled_from([0.5, 2.0**-30, 3.0]), st.floats(1e-6, 1e6))


@st.composite
def formats(draw: st.DrawFn) -> NumberFormat:
    """Any format whose numbers stand for themselves."""
    name = draw(st.sampled_from(["minifloat_ieee", "minifloat_denorm", "log", "binary", "scale_integer"]))
    exponent = draw(st.integers(1, 8))
    arguments: dict[str, Any] = {
        "log": lambda: {"width": draw(st.integers(2, 12)), "exponent_bias": draw(BIASES)},
        "binary": lambda: {"stochastic": False, "bipolar": True},
        "scale_integer": lambda: {
            "width": draw(st.integers(2, 24)),
            "symmetric": draw(st.booleans()),
            "scale": draw(SCALES),
        },
    }.get(
        name,
        lambda: {
            "width": draw(st.integers(exponent + 2, exponent + 12)),
            "exponent_width": exponent,
            "exponent_bias": draw(BIASES),
        },
    )()
    if name == "scale_integer" and not arguments["symmetric"]:
        arguments["zero_point"] = draw(st.integers(0, 3))
    found = QUANTIZERS[name].format(**arguments)
    assert isinstance(found, NumberFormat)
    return found


def numbers(seed: int, format: NumberFormat) -> torch.Tensor:
    """Of every size; values of the format, what lies midway between two, and their neighbours."""
    random = torch.Generator().manual_seed(seed)
    sizes = torch.exp2(torch.rand(400, generator=random) * 300 - 150) * torch.randn(400, generator=random)
    x = torch.cat([sizes, torch.randn(200, generator=random), 300 * torch.randn(200, generator=random)])
    values = quantize_number(x, format).sort().values
    midway = (values[1:] + values[:-1]) / 2
    inf = torch.tensor(torch.inf)
    near = [torch.nextafter(midway, inf), torch.nextafter(midway, -inf)]
    ends = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-45, -1e-45, 3.4028235e38, 2.0**-126])
    return torch.cat([x, values, midway, *near, ends])


@settings(max_examples=300, deadline=None)
@given(formats(), st.integers(0, 2**31))
def test_same_bits(format: NumberFormat, seed: int) -> None:
    assert has_formula(format)
    x = numbers(seed, format)
    wanted, found = quantize_number(x, format), number_formula(x, format)
    same = (wanted.view(torch.int32) == found.view(torch.int32)) | (wanted.isnan() & found.isnan())
    assert bool(same.all()), (format, x[~same][:5], wanted[~same][:5], found[~same][:5])


def test_plain_operators_take_what_has_a_formula() -> None:
    small = QUANTIZERS["minifloat_ieee"].format(width=6, exponent_width=3)
    with plain_operators():
        traced = torch.jit.trace(lambda x: quantize_number(x, small), torch.zeros(3))
    x = torch.randn(100)
    assert "chop::" not in str(traced.inlined_graph) and torch.equal(traced(x), quantize_number(x, small))
    with plain_operators(), pytest.raises(ConfigError, match=r"float32 numbers, got torch\.float64"):
        quantize_number(x.double(), small)
    with plain_operators(), pytest.raises(ConfigError, match="mxfp4: there is no form"):
        quantize_number(x, QUANTIZERS["mxfp4"].format())
