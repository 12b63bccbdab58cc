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


@pytest.fixture(scope="module")
def sequences_file(
    evaluators: dict[str, chop.Evaluator], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, np.ndarray, np.ndarray]:
    """A file, its rows and what the evaluator makes of them."""
    ev, settings = evaluators["sequences"], config((6, 3), (6, 4))
    path = export(ev, settings, "qonnx", tmp_path_factory.mktemp("sequences")).path
    return path, ev._x.numpy(), ev.forward(settings).numpy()


def test_a_cleaned_up_file_computes_the_same(sequences_file: tuple[Path, np.ndarray, np.ndarray]) -> None:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model

    path, x, wanted = sequences_file
    model = cleanup_model(ModelWrapper(str(path)))
    assert [end[0].name for end in (model.graph.input, model.graph.output)] == ["global_in", "global_out"]
    for row, logits in list(zip(x, wanted, strict=True))[:20]:  # its batch is 1
        assert (execute_onnx(model, {"global_in": row[None]})["global_out"] == logits).all()


def test_a_named_batch_is_what_qonnx_cannot_run(sequences_file: tuple[Path, np.ndarray, np.ndarray]) -> None:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    path, x, wanted = sequences_file
    model = onnx.load(path)
    fixed = ModelWrapper(model).transform(InferShapes())
    assert (execute_onnx(fixed, {"x": x[:1]})[model.graph.output[0].name] == wanted[:1]).all()
    for end in (model.graph.input[0], model.graph.output[0]):
        end.type.tensor_type.shape.dim[0].dim_param = "rows"
    with pytest.raises(Exception, match=r"unspecified tensor shapes|Shape mismatch"):
        execute_onnx(ModelWrapper(model).transform(InferShapes()), {"x": x[:1]})


def test_onnxruntime_alone_cannot_load_it(sequences_file: tuple[Path, np.ndarray, np.ndarray]) -> None:
    import onnxruntime

    with pytest.raises(Exception, match="Quant"):
        onnxruntime.InferenceSession(str(sequences_file[0]), providers=["CPUExecutionProvider"])


def test_the_sign_of_zero_is_lost_and_told(evaluators: dict[str, chop.Evaluator], tmp_path: Path) -> None:
    ev = chop.Evaluator(nn.Sequential(nn.ReLU()), rows(200, 6) / 8)
    made = export(ev, config((4, 2), (4, 2), ("relu",)), "qonnx", tmp_path)
    assert made.equal
    assert made.proofs[0].sign_of_zero > 0
    assert "but for the sign of zero" in str(made)


def test_a_quant_saturates_where_chop_does_at_every_width(tmp_path: Path) -> None:
    codes = torch.tensor(
        [[-(2.0**31), -129.0, -128.0, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 127.0, 127.5, 2.0**31]]
    )
    steps = torch.cat(
        [codes * 2.0**-f for f in (-3, 0, 4, 9)] + [torch.tensor([[np.inf, -np.inf, 3e38, -3e38] * 3])]
    )
    for width in (1, 2, 4, 8, 16, 24):
        for operation, least in ((nn.ReLU(), 1), (_Thrice(), 2)):
            if width >= least:
                ev = chop.Evaluator(nn.Sequential(operation), steps)
                for rounding in ("half_even", "floor"):
                    settings = config((width, 4), (4, 2), ("relu", "mul"), data_in_rounding=rounding)
                    made = export(ev, settings, "qonnx", tmp_path)
                    assert made.equal, (width, rounding, str(made))


class _Thrice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 3


def test_qonnx_counts_the_work_that_chop_counts(
    evaluators: dict[str, chop.Evaluator], tmp_path: Path
) -> None:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.inference_cost import inference_cost

    path = export(evaluators["mlp"], config((6, 3), (6, 4)), "qonnx", tmp_path).path
    found = inference_cost(ModelWrapper(str(path)), discount_sparsity=False)["total_cost"]
    macs = sum(m.weight.numel() for m in evaluators["mlp"].graph.model.modules() if isinstance(m, nn.Linear))
    assert found["total_macs"] == macs
    assert found["total_bops"] == macs * 6 * 6
    assert found["total_mem_w_bits"] == macs * 6
    assert found["unsupported"] == "set()"
