"""QONNX: equal in qonnx's own execution, and what its Quant cannot say is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.export import export
from chop.export.qonnx import DOMAIN, run_qonnx, write_for_hls4ml
from chop.integers import quantized_view
from chop.models import get_model
from chop.tools.errors import ConfigError
from tests.export.models import Convolutions, Sequences, config, rows, trained

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx")
ALL = ("linear", "conv1d", "conv2d", "add", "relu")


@pytest.fixture(scope="module")
def evaluators() -> dict[str, chop.Evaluator]:
    jets, images = rows(100, 16), rows(60, 2, 8, 8)
    return {
        "mlp": chop.Evaluator(get_model("jsc-mlp", pretrained=True).eval(), jets / 2),
        "toy": chop.Evaluator(get_model("jsc-toy", pretrained=True).eval(), jets / 2),
        "sequences": chop.Evaluator(trained(Sequences(), jets), jets),
        "convolutions": chop.Evaluator(trained(Convolutions(), images), images),
    }


@pytest.mark.parametrize("name", ["mlp", "toy", "sequences", "convolutions"])
@pytest.mark.parametrize(
    "settings",
    [config((6, 3), (6, 4)), config((8, 4), (8, 6), ALL), config((12, 8), (5, 4), data_in_rounding="floor")],
    ids=["layers", "all", "floor"],
)
def test_equal_in_its_own_execution(
    evaluators: dict[str, chop.Evaluator], name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    made = export(evaluators[name], settings, "qonnx", tmp_path)
    assert made.equal, str(made)
    assert made.proofs[0].rows == evaluators[name].rows


def test_the_file_has_quant_nodes_one_row_and_a_stated_format(
    evaluators: dict[str, chop.Evaluator], tmp_path: Path
) -> None:
    paths = [
        export(evaluators["mlp"], config((6, 3), (6, 4)), "qonnx", tmp_path / each).path for each in "ab"
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    model = onnx.load(paths[0])
    assert model.ir_version == 10
    assert {(o.domain, o.version) for o in model.opset_import} == {("", 21), (DOMAIN, 1)}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    quants = [node for node in model.graph.node if node.op_type == "Quant"]
    numbers = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    scalars = [name for node in quants for name in node.input[1:]]
    assert len(set(scalars)) == len(scalars) == 3 * len(quants)
    assert all(numbers[name].shape == () and numbers[name].dtype == np.float32 for name in scalars)


def test_weights_and_biases_are_on_their_grids_before_their_quant(
    evaluators: dict[str, chop.Evaluator], tmp_path: Path
) -> None:
    model = onnx.load(export(evaluators["mlp"], config((6, 3), (6, 4)), "qonnx", tmp_path).path)
    numbers = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    stored = [n.input for n in model.graph.node if n.op_type == "Quant" and n.input[0] in numbers]
    assert len(stored) == 8
    for values, scale, *_ in stored:
        codes = numbers[values] / numbers[scale]
        assert (codes == np.rint(codes)).all()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (config((4, 2), (1, 0), bias_width=4, bias_frac_width=2), r"c1\.weight: one signed bit is -1/\+1"),
        (config((1, 0), (4, 2)), r"c1\.data_in: one signed bit is -1/\+1 in QONNX, -1/0 in chop"),
        (config(data_in_rounding="half_up"), r"c1\.data_in: its HALF_UP rounds halves away from zero"),
        (config(data_in_overflow="wrap"), r"c1\.data_in: saturates only"),
        (
            config((16, 10), (16, 12), ("linear",)) | {"conv1d": config()["conv1d"]},
            r"mix: float32 sums would depend on their order; bound [\d,]+",
        ),
    ],
)
def test_what_quant_cannot_say_is_refused(
    evaluators: dict[str, chop.Evaluator], settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"export to qonnx: {reason}.*; --to onnx-arithmetic can"):
        export(evaluators["sequences"], settings, "qonnx", tmp_path)
    assert list(tmp_path.iterdir()) == []
    made = export(evaluators["sequences"], settings, "onnx-arithmetic", tmp_path)
    assert made.equal, str(made)


def test_weights_of_any_mode_are_on_the_grid_already(
    evaluators: dict[str, chop.Evaluator], tmp_path: Path
) -> None:
    modes = {"weight_rounding": "half_up", "weight_overflow": "wrap", "bias_rounding": "floor"}
    made = export(evaluators["sequences"], config((5, 2), (4, 3), **modes), "qonnx", tmp_path)
    assert made.equal, str(made)


class _FirstAndLast(nn.Module):
    """Parts of a tensor whose ends look like a shape: they must not be written where a reader changes shapes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, :2].reshape(-1, 2, 1).flatten(1)


def test_a_shape_is_shared_with_nobody(tmp_path: Path) -> None:
    ev = chop.Evaluator(nn.Sequential(_FirstAndLast(), nn.Linear(2, 3)), rows(40, 3, 4))
    made = export(ev, config(), "qonnx", tmp_path)
    assert made.equal, str(made)


def test_for_hls4ml_a_batch_norm_is_one_node(evaluators: dict[str, chop.Evaluator], tmp_path: Path) -> None:
    ev, settings, path = evaluators["toy"], config((6, 3), (6, 4)), tmp_path / "net.onnx"
    write_for_hls4ml(quantized_view(ev, settings), path)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("BatchNormalization") == 4
    assert "Cast" not in kinds
    wanted, found = ev.forward(settings).numpy(), run_qonnx(path, ev._x.numpy())
    assert np.abs(found - wanted).max() <= 1e-6
    made = export(ev, settings, "qonnx-hls4ml", tmp_path)
    assert made.equal == (found == wanted).all()  # the last batch norm is rounded twice, and it says so
    behind_a_quantizer = export(ev, config((8, 4), (8, 6), ALL), "qonnx-hls4ml", tmp_path)
    assert behind_a_quantizer.equal, str(behind_a_quantizer)


def test_for_hls4ml_wide_sums_stay_float32_nodes(
    evaluators: dict[str, chop.Evaluator], tmp_path: Path
) -> None:
    settings, path = config((16, 10), (16, 12)), tmp_path / "net.onnx"
    write_for_hls4ml(quantized_view(evaluators["mlp"], settings), path)
    assert {node.op_type for node in onnx.load(path).graph.node} == {"Quant", "Gemm", "Relu"}
