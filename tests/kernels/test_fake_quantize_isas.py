"""The native quantizer on every instruction set of this machine, bit for bit against torch and the reference loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chop import _core
from tests.nn.fixed_point_oracle import MODES
from tests.nn.fixed_point_oracle import quantized as by_whole_numbers

SIZES = [*range(1, 11), 15, 16, 17, 31, 32, 33, 63, 64, 65, 1003]
ISAS = [*_core.available_isas(), "reference"]


def special_values(dtype: torch.dtype) -> torch.Tensor:
    tiny = torch.finfo(dtype).tiny
    values = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), tiny, -tiny, tiny / 2, 3e38, -3e38, 1 / 3]
    halves = [k + 0.5 for k in range(-6, 6)]
    return torch.tensor([*values, *halves, *[h / 16 for h in halves]], dtype=dtype)


def by_torch(x: torch.Tensor, width: int, frac_width: int, is_signed: bool) -> torch.Tensor:
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if is_signed else (0, 2**width - 1)
    return (x * 2.0**frac_width).round().clamp(low, high) / 2.0**frac_width


def bits(x: torch.Tensor) -> torch.Tensor:
    # NaN equals NaN here, and -0.0 differs from 0.0. A NaN's sign and payload are nobody's promise.
    x = torch.where(x.isnan(), torch.full_like(x, float("nan")), x)
    return x.view(torch.int32 if x.dtype == torch.float32 else torch.int64)


def quantized(
    x: torch.Tensor, width: int, frac_width: int, is_signed: bool, isa: str, *modes: str
) -> torch.Tensor:
    y = torch.empty_like(x)
    _core.fake_quantize(x, y, width, frac_width, is_signed, isa, *modes)
    return y


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "grid", [(8, 4, True), (8, 4, False), (1, 0, True), (32, 31, True), (4, -3, True), (16, 40, False)]
)
def test_every_isa_equals_torch(isa: str, dtype: torch.dtype, grid: tuple[int, int, bool]) -> None:
    generator = torch.Generator().manual_seed(7)
    for size in SIZES:
        x = torch.randn(size, dtype=dtype, generator=generator) * 10.0 ** torch.randint(
            -3, 4, (size,), generator=generator
        )
        for data in (x, special_values(dtype)):
            assert torch.equal(bits(quantized(data, *grid, isa)), bits(by_torch(data, *grid))), (
                isa,
                grid,
                size,
            )


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "grid", [(8, 4, True), (8, 4, False), (1, 0, True), (32, 31, True), (4, -3, True), (32, 64, False)]
)
def test_every_isa_and_mode_equals_whole_numbers(
    isa: str, mode: tuple[str, str], grid: tuple[int, int, bool]
) -> None:
    generator = torch.Generator().manual_seed(7)
    for dtype in (torch.float32, torch.float64):
        x = torch.randn(131, dtype=dtype, generator=generator) * 2.0 ** torch.randint(
            -40, 90, (131,), generator=generator
        )
        for data in (x, special_values(dtype)):
            expected = by_whole_numbers(data.numpy(), (*grid, *mode))
            assert torch.equal(bits(quantized(data, *grid, isa, *mode)), bits(torch.from_numpy(expected)))


@settings(max_examples=120, deadline=None)
@given(
    width=st.integers(1, 32),
    frac_width=st.integers(-64, 64),
    is_signed=st.booleans(),
    mode=st.sampled_from(MODES),
    patterns=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=70),
)
def test_isas_agree_on_any_bit_pattern(
    width: int, frac_width: int, is_signed: bool, mode: tuple[str, str], patterns: list[int]
) -> None:
    x = torch.tensor(patterns, dtype=torch.int32).view(torch.float32)
    expected = bits(quantized(x, width, frac_width, is_signed, "reference", *mode))
    whole = by_whole_numbers(x.numpy(), (width, frac_width, is_signed, *mode))
    assert torch.equal(expected, bits(torch.from_numpy(whole)))
    for isa in _core.available_isas():
        assert torch.equal(bits(quantized(x, width, frac_width, is_signed, isa, *mode)), expected), isa


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((40, 4, True, "baseline"), r"width must be 1\.\.32, got 40"),
        ((0, 4, True, "baseline"), r"width must be 1\.\.32, got 0"),
        ((8, 99, True, "baseline"), r"frac_width must be -64\.\.64, got 99"),
        ((8, 4, True, "sse9"), "must be baseline, avx2, avx512 or amx, got 'sse9'"),
        ((8, 4, True, "baseline", "flor"), "rounding must be one of half_even, floor, half_up, got 'flor'"),
        ((8, 4, True, "baseline", "floor", "warp"), "overflow must be one of saturate, wrap, got 'warp'"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple, message: str) -> None:
    x = torch.zeros(3)
    with pytest.raises(ValueError, match=message):
        _core.fake_quantize(x, torch.empty(3), *arguments)


def test_tensors_without_plain_memory_are_refused() -> None:
    x, y = torch.zeros(4, 6), torch.zeros(4, 6)
    with pytest.raises(ValueError, match="x must be contiguous"):
        _core.fake_quantize(x.t(), y.t(), 8, 4, True, "baseline")
    with pytest.raises(ValueError, match=r"x must be torch\.float32 or torch\.float64, got torch\.int32"):
        _core.fake_quantize(x.int(), y, 8, 4, True, "baseline")
    with pytest.raises(ValueError, match="same shape"):
        _core.fake_quantize(x, torch.zeros(3), 8, 4, True, "baseline")
    with torch._subclasses.FakeTensorMode(), pytest.raises((ValueError, RuntimeError)):
        _core.fake_quantize(torch.zeros(3), torch.zeros(3), 8, 4, True, "baseline")
