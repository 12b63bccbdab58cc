"""Number formats against the libraries gfloat, ml_dtypes and apytypes, where those are right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chop.nn.quantizers import quantizer_map
from tests.nn import number_formats as right
from tests.nn.test_number_formats import same, values

WHY = "this oracle is not installed"


def small_format(gfloat, width, exponent_width):
    """IEEE's layout with a sign, subnormals and no infinities."""
    return gfloat.FormatInfo(
        "small",
        k=width,
        precision=width - exponent_width,
        bias=2 ** (exponent_width - 1) - 1,
        is_signed=True,
        domain=gfloat.Domain.Finite,
        has_nz=True,
        num_high_nans=0,
        has_subnormals=True,
        is_twos_complement=False,
    )


def test_gfloat_agrees():
    gfloat = pytest.importorskip("gfloat", reason=WHY)
    x = values(5, (4000,)).astype(np.float64)
    for width, exponent_width in ((8, 4), (6, 3), (6, 2), (4, 2), (8, 5)):
        info = small_format(gfloat, width, exponent_width)
        expected = gfloat.round_ndarray(info, x, gfloat.RoundMode.TiesToEven, sat=True)
        y = quantizer_map["minifloat_ieee"](torch.from_numpy(x), width, exponent_width)
        assert same(y.numpy(), expected)


def test_gfloat_agrees_on_the_microscaling_formats():
    gfloat = pytest.importorskip("gfloat", reason=WHY)
    from gfloat import formats

    x = values(6, (60, 32)).astype(np.float64)
    for name in right.MX:
        info = getattr(formats, f"format_info_{name if name != 'mxfp4' else 'mxfp4_e2m1'}")
        y = quantizer_map[name](torch.from_numpy(x)).numpy()
        for row, mine in zip(x, y, strict=True):
            block = gfloat.quantize_block(info, row, gfloat.compute_scale_amax, gfloat.RoundMode.TiesToEven)
            assert same(mine, block), name


@pytest.mark.parametrize(
    ("name", "width", "exponent_width"),
    [("float6_e2m3fn", 6, 2), ("float6_e3m2fn", 6, 3), ("float4_e2m1fn", 4, 2)],
)
def test_ml_dtypes_agree(name, width, exponent_width):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason=WHY)
    y = quantizer_map["minifloat_ieee"](torch.from_numpy(values(7, (4000,))), width, exponent_width).numpy()
    most = float(ml_dtypes.finfo(getattr(ml_dtypes, name)).max)
    x = np.clip(values(7, (4000,)), -most, most)
    assert same(y, x.astype(getattr(ml_dtypes, name)).astype(np.float32))


@pytest.mark.parametrize(("name", "most"), [("float8_e5m2", 57344.0), ("float8_e3m4", 15.5)])
def test_ml_dtypes_agree_up_to_their_largest(name, most):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason=WHY)
    exponent_width = int(name[8])
    x = np.clip(values(8, (4000,)), -most, most)
    y = quantizer_map["minifloat_ieee"](torch.from_numpy(x), 8, exponent_width).numpy()
    assert same(y, x.astype(getattr(ml_dtypes, name)).astype(np.float32))


@pytest.mark.parametrize(("width", "exponent_width"), [(8, 4), (6, 3), (8, 3), (12, 5)])
def test_apytypes_agrees_but_where_it_loses_the_smallest_normal(width, exponent_width):
    apytypes = pytest.importorskip("apytypes", reason=WHY)
    mantissa, bias = width - exponent_width - 1, 2 ** (exponent_width - 1) - 1
    x = values(9, (4000,)).astype(np.float64)
    x = np.clip(x, -(2.0 ** (2**exponent_width - 3 - bias)), 2.0 ** (2**exponent_width - 3 - bias))
    y = quantizer_map["minifloat_ieee"](torch.from_numpy(x), width, exponent_width).numpy()
    exact = apytypes.APyFloatArray.from_float(x, 11, 52)
    found = exact.cast(exponent_width, mantissa, bias, apytypes.QuantizationMode.TIES_EVEN).to_numpy()
    # Version 0.5.1 makes 0 of every number that rounds up from the subnormals to the smallest normal.
    lost = (np.abs(y) == 2.0 ** (1 - bias)) & (np.abs(x) < 2.0 ** (1 - bias))
    assert same(y[~lost], found[~lost]) and lost.sum() < 400


def test_gfloat_agrees_on_shared_exponents():
    gfloat = pytest.importorskip("gfloat", reason=WHY)
    from gfloat import formats

    x = values(10, (60, 16)).astype(np.float64)
    y = quantizer_map["block_fp"](torch.from_numpy(x), 8, 8, None, [1, 16], False).numpy()
    info = formats.format_info_mxint8
    for row, mine in zip(x, y, strict=True):
        block = gfloat.quantize_block(info, row, gfloat.compute_scale_amax, gfloat.RoundMode.TiesToEven)
        assert same(mine, block)  # the code -128, which block_fp lacks, would need |x| above the largest


def test_gfloat_agrees_on_shared_biases():
    gfloat = pytest.importorskip("gfloat", reason=WHY)
    width, exponent_width = 8, 4
    bias = 2 ** (exponent_width - 1) - 1
    info = small_format(gfloat, width, exponent_width)
    x = values(11, (100, 16)).astype(np.float64)
    y = quantizer_map["block_minifloat"](torch.from_numpy(x), width, exponent_width, 12, [1, 16]).numpy()
    for row, mine in zip(x, y, strict=True):
        scale = 2.0 ** (np.frexp(np.abs(row).max())[1] - 1 - (2**exponent_width - 1 - bias))
        expected = gfloat.round_ndarray(info, row / scale, gfloat.RoundMode.TiesToEven, sat=True) * scale
        assert same(mine, expected)
