"""torch's own exporters take a quantized model: ONNX without a custom operator, traces with or without."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop import MaseGraph
from chop.export import plain_operators
from chop.nn.quantized.modules import LinearInteger
from chop.passes.graph import quantize_transform_pass
from tests import programs
from tests.evaluator.number_formats import FORMATS, by_type
from tests.export.models import Convolutions, Sequences, config, fixed, rows, trained

ALL = ("linear", "conv1d", "conv2d", "add", "relu")
MODES = {"data_in_rounding": "half_up", "data_in_overflow": "wrap", "weight_rounding": "floor"}
CHANNELS = {
    "by": "name",
    "default": {"config": {"name": None}},
    "c1": {
        "config": fixed((6, 3), (6, 3)) | {"weight_width": [6, 0, 3, 4], "weight_frac_width": [1, 2, 3, 4]}
    },
    "head": {"config": fixed((5, 2), (6, 3)) | {"bias_width": [5] * 5, "bias_frac_width": [1, 2, 3, 4, 5]}},
}
CASES: dict[str, tuple[type[nn.Module], tuple[int, ...], dict[str, Any]]] = {
    "usual": (Sequences, (16,), config((6, 3), (6, 4))),
    "modes": (Sequences, (16,), config((5, 2), (5, 3), ("linear", "conv1d", "relu"), **MODES)),
    "floor": (
        Sequences,
        (16,),
        config((5, -1), (5, 3), ("linear", "conv1d", "relu"), data_in_rounding="floor"),
    ),
    "channels": (Sequences, (16,), CHANNELS),
    "images": (Convolutions, (2, 8, 8), config((6, 3), (6, 4), ALL)),
    "small floats": (Sequences, (16,), by_type("linear", "conv1d", config=FORMATS["minifloat_denorm"])),
    "powers of two": (Sequences, (16,), by_type("linear", config=FORMATS["log"])),
}


def quantized(case: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """The quantized model, rows, and its outputs."""
    kind, shape, settings = CASES[case]
    x = rows(60, *shape)
    mg, _ = quantize_transform_pass(MaseGraph(trained(kind(), x)), settings)
    model = mg.model.eval()
    with torch.no_grad():
        return model, x, model(x)


def in_runtime(path: Path, x: torch.Tensor) -> torch.Tensor:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


@pytest.mark.parametrize("case", [case for case in CASES if case != "images"])
@pytest.mark.parametrize("grad", [True, False])
def test_onnx_from_a_trace(case: str, grad: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model, x, wanted = quantized(case)
    path = tmp_path / "model.onnx"
    with torch.set_grad_enabled(grad), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter calls itself old
        names = {
            "input_names": ["x"],
            "output_names": ["y"],
            "dynamic_axes": {"x": {0: "rows"}, "y": {0: "rows"}},
        }
        torch.onnx.export(nn.Sequential(model), (x[:3],), path, dynamo=False, **names)
    assert torch.equal(in_runtime(path, x), wanted)


@pytest.mark.parametrize("case", ["usual", "modes"])
def test_onnx_from_an_exported_program(case: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    model, x, wanted = quantized(case)
    path, shapes = tmp_path / "model.onnx", ({0: torch.export.Dim("rows", min=1)},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (x[:3],), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert torch.equal(in_runtime(path, x), wanted)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("grad", [True, False])
def test_a_trace_with_the_operators(case: str, grad: bool) -> None:
    model, x, wanted = quantized(case)
    with torch.set_grad_enabled(grad):
        traced = torch.jit.trace(model, x[:3])
    assert torch.equal(traced(x), wanted)
    assert "chop::" in str(traced.inlined_graph)
    if grad:  # as that of the model: straight through the quantizers
        model.zero_grad()
        found, given = (torch.autograd.grad(m(x).sum(), [*m.parameters()]) for m in (traced, model))
        assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(found, given, strict=True))


def test_a_trace_of_a_bypassed_layer() -> None:
    layer = LinearInteger(4, 3, config={**fixed((6, 3), (6, 4)), "bypass": True})
    x = rows(5, 4)
    assert torch.equal(torch.jit.trace(layer, x)(x), layer(x))
    with pytest.raises(ValueError, match="a bypassed layer has no integer weight"):
        layer.int_weight  # noqa: B018
    assert not {"int_weight", "scale"} & set(dir(layer))
    assert {"int_weight", "scale"} <= set(dir(LinearInteger(4, 3, config=fixed((6, 3), (6, 4)))))


@pytest.mark.parametrize("case", CASES)
def test_a_trace_without_the_operators(case: str) -> None:
    model, x, wanted = quantized(case)
    with plain_operators():
        traced = torch.jit.trace(model, x[:3])
        program = torch.export.export(model, (x[:3],))
        assert torch.equal(model(x), wanted)
    assert torch.equal(traced(x), wanted)
    assert "chop::" not in str(traced.inlined_graph)
    assert "chop" not in str(program.graph)
    assert torch.equal(program.module()(x[:3]), wanted[:3])
    with torch.no_grad():
        assert "chop::" in str(torch.jit.trace(model, x[:3]).inlined_graph)  # the block is over


READER = """
import sys, torch
torch.save(torch.jit.load(sys.argv[1])(torch.load(sys.argv[2])), sys.argv[3])
assert not any(name.split(".")[0] == "chop" for name in sys.modules)
"""


def test_a_trace_runs_where_chop_is_not(tmp_path: Path) -> None:
    model, x, wanted = quantized("modes")
    with plain_operators(), torch.no_grad():
        torch.jit.trace(model, x[:3]).save(tmp_path / "model.pt")
    torch.save(x, tmp_path / "x.pt")
    paths = [str(tmp_path / name) for name in ("model.pt", "x.pt", "y.pt")]
    programs.output(READER, *paths)
    assert torch.equal(torch.load(paths[2]), wanted)
