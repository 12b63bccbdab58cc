"""ONNX files are as small as a hand-made one of the same network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import chop
from chop.export import TARGETS, Sample
from chop.integers import quantized_view
from chop.models import get_model
from tests.export.models import Chain, config, rows

pytest.importorskip("onnx")
LAYERS = ("linear", "conv1d", "conv2d")
SIX, EIGHT = ((6, 3), (6, 4), (6, 4)), ((8, 4), (8, 6), (8, 4))


@pytest.mark.parametrize(
    ("name", "formats", "ops", "target", "most"),
    [
        ("jsc-mlp", SIX, LAYERS, "onnx", 6_946),
        ("jsc-mlp", EIGHT, LAYERS, "onnx", 6_673),
        ("conv", SIX, LAYERS, "onnx", 1_835),
        ("conv", EIGHT, LAYERS, "onnx", 1_835),
        ("jsc-toy", SIX, LAYERS, "onnx", 3_243),
        ("jsc-toy", EIGHT, LAYERS, "onnx", 3_243),
        ("jsc-toy", SIX, (*LAYERS, "relu"), "onnx", 5_158),
        ("jsc-toy", SIX, (*LAYERS, "relu"), "onnx-arithmetic", 3_798),
        ("jsc-mlp", SIX, LAYERS, "onnx-arithmetic", 18_763),
        ("jsc-mlp", SIX, LAYERS, "qonnx", 23_623),
        ("jsc-toy", SIX, LAYERS, "qonnx", 7_739),
        ("conv", EIGHT, LAYERS, "qonnx", 4_778),
    ],
)
def test_no_larger(
    name: str,
    formats: tuple[tuple[int, int], ...],
    ops: tuple[str, ...],
    target: str,
    most: int,
    tmp_path: Path,
) -> None:
    data, weight, bias = formats
    settings = config(data, weight, ops, bias_width=bias[0], bias_frac_width=bias[1])
    torch.manual_seed(0)
    model = Chain() if name == "conv" else get_model(name, pretrained=True)
    x, path = rows(4, 16), tmp_path / "model.onnx"
    ev = chop.Evaluator(model.eval(), x)
    view = quantized_view(ev, settings)
    TARGETS[target].check(view)
    TARGETS[target].write(view, path, Sample(x.numpy(), ev.forward(settings).numpy()))
    assert path.stat().st_size <= most
