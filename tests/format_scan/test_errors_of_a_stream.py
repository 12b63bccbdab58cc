"""The sums of the core against NumPy, and the proof about which fraction widths matter against all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chop import _core
from chop.format_scan.frac_range import Magnitudes, frac_range
from tests.format_scan.numpy_errors import squared_error
from tests.programs import output_on

floats = st.floats(width=32, allow_nan=True, allow_infinity=True)
anything = arrays.arrays(np.float32, st.integers(0, 70), elements=floats)
ALL_FRACS = list(range(-64, 65))


@st.composite
def usual_numbers(draw: st.DrawFn) -> np.ndarray:
    """Numbers of one scale, on a grid or not, some far out, one sided or not."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = random.standard_normal(draw(st.integers(1, 300))) * 2.0 ** draw(st.integers(-80, 70))
    if draw(st.booleans()):
        step = 2.0 ** np.floor(np.log2(np.abs(x).max() + 1e-300) - draw(st.integers(0, 9)))
        x = np.round(x / step) * step
    if draw(st.booleans()):
        x[0] *= 2.0 ** draw(st.integers(0, 20))
    x *= draw(st.sampled_from([1.0, -1.0]))
    x = np.abs(x) if draw(st.booleans()) else x
    return np.float32(np.clip(x, -3e38, 3e38))


@settings(deadline=None)
@given(st.one_of(anything, usual_numbers()), st.integers(1, 32), st.booleans(), st.integers(1, 3))
def test_sums_equal_numpy(x: np.ndarray, width: int, is_signed: bool, threads: int) -> None:
    fracs = [-64, -9, -1, 0, 1, 4, 7, 30, 64]
    found = _core.QuantizationErrors(width, is_signed, fracs)
    found.update(torch.from_numpy(x), threads)
    for frac, error in zip(fracs, found.errors, strict=True):
        assert error == pytest.approx(squared_error(x, width, frac, is_signed), rel=1e-12), frac
    finite = x[np.isfinite(x)].astype(np.float64)
    assert found.power == pytest.approx((finite**2).sum(), rel=1e-12)
    assert found.count == x.size


@settings(deadline=None)
@given(usual_numbers(), st.integers(1, 32), st.booleans())
def test_equals_the_quantizer(x: np.ndarray, width: int, is_signed: bool) -> None:
    tensor = torch.from_numpy(x)
    found = _core.QuantizationErrors(width, is_signed, [3])
    found.update(tensor)
    quantized = torch.ops.chop.integer_quantize(tensor, width, 3, is_signed)
    expected = (tensor.double() - quantized.double()).square().sum().item()
    assert found.errors[0] == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=300)
@given(st.one_of(anything, usual_numbers()), st.integers(1, 32), st.booleans())
def test_no_fraction_width_outside_the_range_is_better(x: np.ndarray, width: int, is_signed: bool) -> None:
    sizes = Magnitudes()
    sizes.add(torch.from_numpy(x))
    everywhere = _core.QuantizationErrors(width, is_signed, ALL_FRACS)
    everywhere.update(torch.from_numpy(x))
    errors = dict(zip(ALL_FRACS, everywhere.errors, strict=True))
    least = min(errors.values())
    tried = frac_range(sizes, width, is_signed)
    if not tried:
        assert len(set(errors.values())) == 1
        return
    assert min(errors[f] for f in tried) == least
    # The smallest of equals is in the range, or stands for those at which every number becomes 0 (or saturates).
    chosen = next(f for f in tried if errors[f] == least)
    smaller = [f for f in ALL_FRACS if f < chosen and errors[f] == least]
    assert not smaller or chosen == tried.start
    assert all(errors[f] == errors[tried.start] for f in range(-64, tried.start))


def test_the_range_is_short_for_few_numbers_and_never_leaves_the_limits() -> None:
    sizes = Magnitudes()
    sizes.add(torch.tensor([0.75, -0.3, 1e-9]))
    assert frac_range(sizes, 8, True) == range(-1, 8)
    for value in (1e-38, 1e-10, 1e10, 3e38):
        sizes = Magnitudes()
        sizes.add(torch.tensor([value]))
        found = frac_range(sizes, 8, True)
        assert all(-64 <= f <= 64 for f in found)


def test_instruction_sets_change_nothing() -> None:
    code = (
        "import torch; from chop import _core\n"
        "x = torch.randn(5003, generator=torch.Generator().manual_seed(0)) * 3\n"
        "found = _core.QuantizationErrors(8, True, list(range(-8, 20)))\n"
        "for part in x.split(377): found.update(part.contiguous(), 3)\n"
        "print(repr([found.power, *found.errors]))"
    )
    x = torch.randn(5003, generator=torch.Generator().manual_seed(0)) * 3
    here = _core.QuantizationErrors(8, True, list(range(-8, 20)))
    here.update(x)
    assert output_on("baseline", code).strip() == repr([here.power, *here.errors])


def test_what_the_core_refuses() -> None:
    found = _core.QuantizationErrors(8, True, [0])
    with pytest.raises(ValueError, match=r"tensor must be torch.float32, got torch.float64"):
        found.update(torch.ones(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="threads must be 1 or more, got 0"):
        found.update(torch.ones(2), 0)
    with pytest.raises(ValueError, match=r"width must be 1..32, got 0"):
        _core.QuantizationErrors(0, True, [0])
