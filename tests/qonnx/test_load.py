"""What is read computes what qonnx computes: our own files and those of Brevitas; nothing else is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.export import export
from chop.models import get_model
from chop.tools.errors import ConfigError
from tests.export.models import Convolutions, Sequences, config, rows, trained

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx")
from chop.export.qonnx import run_qonnx, write_for_hls4ml  # noqa: E402
from chop.integers import quantized_view  # noqa: E402

BREVITAS = Path(__file__).parent / "brevitas"
ALL = ("linear", "conv1d", "conv2d", "add", "sub", "mul", "relu", "matmul")


class Others(nn.Module):
    """Operations that the other networks lack."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.o = nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.clamp(self.a(x) * 0.3 + 1.53 - 0.7, -2.0, 1.5) * 3
        h = torch.maximum(torch.abs(h), -h).reshape(-1, 2, 4)
        h = torch.matmul(h, h.transpose(1, 2)).flatten(1)
        h = nn.functional.pad(h.unsqueeze(1), (1, 2, 0, 0), value=0.5)[:, 0, ::2]
        return self.o(torch.cat([torch.relu(h), torch.minimum(h, 2 - h)], 1))


def networks() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    jets, images = rows(100, 16), rows(60, 2, 8, 8)
    return {
        "mlp": (get_model("jsc-mlp", pretrained=True).eval(), jets / 2),
        "toy": (get_model("jsc-toy", pretrained=True).eval(), jets / 2),
        "sequences": (trained(Sequences(), jets), jets),
        "convolutions": (trained(Convolutions(), images), images),
        "others": (trained(Others(), rows(100, 8)), rows(100, 8)),
    }


@pytest.fixture(scope="module")
def evaluators() -> dict[str, chop.Evaluator]:
    return {name: chop.Evaluator(model, x) for name, (model, x) in networks().items()}


@pytest.mark.parametrize("name", ["mlp", "toy", "sequences", "convolutions", "others"])
@pytest.mark.parametrize(
    "settings",
    [
        config((6, 3), (6, 4), ("linear", "conv1d", "conv2d", "matmul")),
        config((8, 4), (8, 6), ALL),
        config((5, 2), (4, 3), ALL, data_in_rounding="floor", bias_width=7, bias_frac_width=4),
    ],
    ids=["layers", "all", "floor"],
)
def test_our_own_files_come_back(
    evaluators: dict[str, chop.Evaluator], name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    made = evaluators[name]
    path = export(made, settings, "qonnx", tmp_path).path
    graph, found = chop.load_qonnx(path)
    again = chop.Evaluator(graph, made._x)
    assert not again.torch_nodes
    outputs = again.forward(found).numpy()
    assert np.array_equal(outputs, made.forward(settings).numpy())
    assert np.array_equal(outputs, run_qonnx(path, made._x.numpy()))
    second = export(graph, found, "qonnx", tmp_path / "again", x=made._x)
    assert second.equal, str(second)


def test_the_config_is_the_one_that_was_exported(
    evaluators: dict[str, chop.Evaluator], tmp_path: Path
) -> None:
    settings = config((6, 3), (5, 4), ("linear", "relu"), bias_width=7, bias_frac_width=5)
    _, found = chop.load_qonnx(export(evaluators["mlp"], settings, "qonnx", tmp_path).path)
    table = settings["linear"]["config"]
    data = {key: value for key, value in table.items() if key.startswith(("name", "data"))}
    made = [found[name]["config"] for name in found if name not in ("by", "default")]
    assert sorted(map(str, made)) == sorted(map(str, 4 * [table] + 3 * [data]))


def test_a_quantized_torch_model_and_a_search_space_follow(
    evaluators: dict[str, chop.Evaluator], tmp_path: Path
) -> None:
    made = evaluators["toy"]
    path = export(made, config((8, 4), (8, 6)), "qonnx", tmp_path).path
    graph, found = chop.load_qonnx(path)
    wanted = run_qonnx(path, made._x.numpy())
    quantized, _ = chop.passes.quantize_transform_pass(graph, found)
    with torch.no_grad():
        assert np.array_equal(quantized.model(made._x).numpy(), wanted)
    other = {**found, "default": {"config": config((3, 1), (3, 1))["linear"]["config"]}}
    narrow = {key: other["default"] if key not in ("by", "default") else other[key] for key in other}
    assert not np.array_equal(chop.Evaluator(graph, made._x).forward(narrow).numpy(), wanted)


def test_batch_normalization_is_as_onnxruntime_or_as_torch_computes_it(
    evaluators: dict[str, chop.Evaluator], tmp_path: Path
) -> None:
    made, path = evaluators["toy"], tmp_path / "net.onnx"
    settings = config((6, 3), (6, 4))
    write_for_hls4ml(quantized_view(made, settings), path)
    wanted = run_qonnx(path, made._x.numpy())
    graph, found = chop.load_qonnx(path)
    assert np.array_equal(chop.Evaluator(graph, made._x).forward(found).numpy(), wanted)
    graph, found = chop.load_qonnx(path, one_batch_norm=True)
    assert sum(isinstance(m, nn.BatchNorm1d) for m in graph.modules.values()) == 4
    outputs = chop.Evaluator(graph, made._x).forward(found).numpy()
    assert np.array_equal(outputs, made.forward(settings).numpy())
    assert np.abs(outputs - wanted).max() <= 1e-6


@pytest.mark.parametrize("name", ["residual", "perceptron", "sequence", "float_bias"])
def test_what_brevitas_writes(name: str, tmp_path: Path) -> None:
    path = BREVITAS / f"{name}.onnx"
    sizes = [d.dim_value for d in onnx.load(path).graph.input[0].type.tensor_type.shape.dim][1:]
    x = rows(2000, *sizes) / 2
    graph, found = chop.load_qonnx(path)
    made = chop.Evaluator(graph, x)
    assert not made.torch_nodes
    outputs = made.forward(found).numpy()
    assert len(np.unique(outputs)) > 40
    assert np.array_equal(outputs, run_qonnx(path, x.numpy()))
    if name != "float_bias":  # its sums need more than float32 holds
        assert made.certificate(found).quantized_part_is_exact
        again = export(made, found, "qonnx", tmp_path)
        assert again.equal, str(again)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("float_scale", r"node node__symbolic_1 \(Quant\): its scale 0\.058\d* is no power of two"),
        ("binary", r"node node__symbolic_1 \(BipolarQuant\): is -1/\+1, which no format of chop says"),
        ("narrow", r"node node__symbolic \(Quant\): its range is narrow"),
        ("weight_only", r"node node_linear \(Gemm\): no Quant is before its input 'input'"),
    ],
)
def test_what_chop_cannot_say_of_brevitas_is_refused_by_node(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\S*{name}\.onnx: {message}[^\n]*$"):
        chop.load_qonnx(BREVITAS / f"{name}.onnx")


def scalar(model: Any, kind: str, value: Any) -> None:
    """Set the scale, zero or bits of the first Quant of an activation."""
    name = next(n.input[0] for n in model.graph.node if n.op_type == "Gemm")
    number = next(i for i in model.graph.initializer if i.name == name.replace("quant", kind))
    number.CopyFrom(onnx.numpy_helper.from_array(np.array(value, np.float32), number.name))


def attribute(model: Any, op: str, name: str, value: Any) -> None:
    node = next(n for n in model.graph.node if n.op_type == op and not n.input[0].endswith("values"))
    for kept in [a for a in node.attribute if a.name == name]:
        node.attribute.remove(kept)
    if value is not None:
        node.attribute.append(onnx.helper.make_attribute(name, value))


def without_initializer(model: Any) -> None:
    del model.graph.initializer[0]


def cycle(model: Any) -> None:
    model.graph.node[0].input[0] = model.graph.output[0].name


def external(model: Any) -> None:
    tensor = next(i for i in model.graph.initializer if i.name.endswith("weight.values"))
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../elsewhere"


def wrong_shape(model: Any) -> None:
    tensor = next(i for i in model.graph.initializer if i.name.endswith("weight.values"))
    tensor.dims[0] += 1


def other_shape(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 17


def plain(model: Any) -> None:
    kept = [n for n in model.graph.node if n.op_type != "Quant"]
    for node in kept:
        for place, name in enumerate(node.input):
            quant = next((q for q in model.graph.node if q.op_type == "Quant" and q.output[0] == name), None)
            node.input[place] = quant.input[0] if quant else name
    del model.graph.node[:]
    model.graph.node.extend(kept)


def unknown(model: Any) -> None:
    next(n for n in model.graph.node if n.op_type == "Relu").op_type = "Sigmoid"


REFUSED: list[tuple[Callable[[Any], None], str]] = [
    (lambda m: scalar(m, "scale", 0.3), r"\(Quant\): its scale 0.3 is no power of two"),
    (
        lambda m: scalar(m, "scale", [0.5, 0.25]),
        r"\(Quant\): has 2 different values as scale; chop has one a tensor",
    ),
    (lambda m: scalar(m, "zero", 1), r"\(Quant\): its zero point is 1"),
    (lambda m: scalar(m, "bits", 3.5), r"\(Quant\): its width must be 1 to 32 whole bits, got 3.5"),
    (lambda m: scalar(m, "bits", 1), r"\(Quant\): one signed bit is -1/\+1 in QONNX, -1/0 in chop"),
    (lambda m: attribute(m, "Quant", "narrow", 1), r"\(Quant\): its range is narrow"),
    (lambda m: attribute(m, "Quant", "signed", None), r"\(Quant\): does not say whether it is signed"),
    (lambda m: attribute(m, "Quant", "rounding_mode", "HALF_UP"), r"\(Quant\): rounds HALF_UP"),
    (lambda m: attribute(m, "Gemm", "alpha", 2.0), r"\(Gemm\): alpha and beta must be 1"),
    (lambda m: attribute(m, "Gemm", "beta2", 2.0), "is no valid ONNX: Unrecognized attribute: beta2"),
    (
        without_initializer,
        r"reads '_1.scale', which nothing before it makes: an initializer is missing",
    ),
    (cycle, "which nothing before it makes: an initializer is missing, or a cycle"),
    (external, "initializer .*weight.values: lies in another file"),
    (wrong_shape, "initializer .*weight.values: does not hold the numbers of its shape"),
    (other_shape, r"\(Gemm\): cannot be computed: mat1 and mat2 shapes"),
    (plain, "holds no node of qonnx.custom_op.general: it is plain ONNX, not QONNX"),
    (unknown, r"node \w+ \(Sigmoid\): is an operation that is not read"),
    (lambda m: setattr(m.opset_import[0], "version", 9), "has opset 9; 13 to"),
    (lambda m: setattr(m.opset_import[0], "version", 999), "has opset 999; 13 to"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_foreign_and_damaged_files_are_refused_in_one_line(
    evaluators: dict[str, chop.Evaluator], change: Callable[[Any], None], message: str, tmp_path: Path
) -> None:
    path = export(evaluators["mlp"], config((6, 3), (6, 4)), "qonnx", tmp_path).path
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ConfigError, match=rf"^{path}: [^\n]*{message}[^\n]*$"):
        chop.load_qonnx(path)


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(ConfigError, match=f"^{path}: No such file or directory$"):
        chop.load_qonnx(path)
    with pytest.raises(ConfigError, match=f"^{tmp_path}: Is a directory$"):
        chop.load_qonnx(tmp_path)
    whole = (BREVITAS / "residual.onnx").read_bytes()
    for junk in (
        b"",
        b"junk",
        b"\x00" * 100,
        b"PK\x03\x04" + bytes(60),
        whole[: len(whole) // 2],
        whole[:-1],
    ):
        path.write_bytes(junk)
        with pytest.raises(ConfigError, match=rf"^{path}: is (no|a damaged)[^\n]*$"):
            chop.load_qonnx(path)
