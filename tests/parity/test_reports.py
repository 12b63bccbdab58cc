"""The printed reports, byte for byte as MASE wrote them."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest
import torch
from torch import nn

from chop.ir.graph import MaseGraph
from chop.models import get_model
from chop.passes import (
    PASSES,
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
    report_graph_analysis_pass,
    report_node_meta_param_analysis_pass,
    report_node_shape_analysis_pass,
    report_node_type_analysis_pass,
    summarize_quantization_analysis_pass,
)
from tests.ir.models import EIGHT, FLOAT
from tests.parity.recorded_models import Conv1dResidual, load_state

MODELS = ("jsc-tiny", "jsc-toy", "conv1d-residual")
WHICH = {
    "all": ("all",),
    "common": ("common",),
    "common-software": ["common", "software"],
    "software": ("software",),
}


@pytest.fixture
def texts(shared_dir):
    return shared_dir / "reference" / "text"


def build(name, texts):
    with np.load(texts / f"{name}.npz") as file:
        arrays = dict(file)
    model: nn.Module = Conv1dResidual() if name == "conv1d-residual" else get_model(name)
    return load_state(model, arrays), arrays


def make_graph(name, texts):
    model, arrays = build(name, texts)
    graph, _ = init_metadata_analysis_pass(MaseGraph(model))
    dummy_in = {"x": torch.from_numpy(arrays["dummy"])}
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": dummy_in, "add_value": False})
    return add_software_metadata_analysis_pass(graph, None)[0], arrays


def logged(caplog):
    return "".join(f"{record.levelname} {record.name}: {record.getMessage()}\n" for record in caplog.records)


@pytest.mark.parametrize("name", MODELS)
def test_report_graph(texts, name, tmp_path):
    graph, _ = make_graph(name, texts)
    report_graph_analysis_pass(graph, {"file_name": tmp_path / "report.txt"})
    assert (tmp_path / "report.txt").read_text() == (texts / f"report_graph.{name}.txt").read_text()


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("name", MODELS)
def test_report_node_meta_param(texts, name, which, tmp_path):
    graph, _ = make_graph(name, texts)
    path = tmp_path / "report.txt"
    report_node_meta_param_analysis_pass(graph, {"which": WHICH[which], "save_path": path})
    assert path.read_text() == (texts / f"report_node_meta_param.{name}.{which}.txt").read_text()


@pytest.mark.parametrize("report", ["type", "shape"])
@pytest.mark.parametrize("name", MODELS)
def test_logged_reports(texts, name, report, caplog):
    graph, _ = make_graph(name, texts)
    run = {"type": report_node_type_analysis_pass, "shape": report_node_shape_analysis_pass}[report]
    with caplog.at_level(logging.INFO, "chop"):
        run(graph)
    assert logged(caplog).strip() == (texts / f"report_node_{report}.{name}.txt").read_text().strip()


@pytest.mark.parametrize(("name", "relu"), [("jsc-tiny", FLOAT), ("jsc-toy", EIGHT)])
def test_summary(texts, name, relu, caplog, tmp_path):
    rules = {"default": {"config": FLOAT}, "linear": {"config": EIGHT}, "relu": {"config": relu}}
    graph, _ = make_graph(name, texts)
    quantized, _ = quantize_transform_pass(make_graph(name, texts)[0], {"by": "type", **rules})
    with caplog.at_level(logging.DEBUG, "chop.passes"):
        summarize_quantization_analysis_pass(graph, quantized, tmp_path)
    assert logged(caplog) == (texts / f"summarize_quantization.{name}.txt").read_text()
    for kind in ("table", "histogram"):
        written = (tmp_path / f"quantize_{kind}.csv").read_text()
        assert written == (texts / f"quantize_{kind}.{name}.csv").read_text()


_WORD = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?|\w+")


def words(text):
    """The words of a grid, floats rounded: their last digits differ, and set the width of columns."""
    found = _WORD.findall(text)
    return [f"{float(word):.4g}" if "." in word else word for word in found]


@pytest.mark.skipif("profile_statistics" not in PASSES, reason="the profile pass is not there")
@pytest.mark.parametrize("name", MODELS)
def test_report_after_a_profile(texts, name, tmp_path):
    graph, arrays = make_graph(name, texts)
    batches = [{"x": torch.from_numpy(arrays[f"batch.{index}"])} for index in range(4)]
    pass_args = {
        "by": "type",
        "target_weight_nodes": ["linear"],
        "target_activation_nodes": ["relu"],
        "weight_statistics": {"variance_precise": {"device": "cpu", "dims": "all"}},
        "activation_statistics": {"range_quantile": {"device": "cpu", "dims": "all", "quantile": 0.97}},
        "input_generator": iter(batches),
        "num_samples": 32,
    }
    graph, _ = PASSES["profile_statistics"](graph, pass_args)
    path = tmp_path / "report.txt"
    report_node_meta_param_analysis_pass(graph, {"which": ("software",), "save_path": path})
    recorded = (texts / f"report_node_meta_param.{name}.software-profiled.txt").read_text()
    assert words(path.read_text()) == words(recorded)
