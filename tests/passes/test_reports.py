"""The reports against the texts that MASE wrote for the same model."""

from __future__ import annotations

import logging

import pytest
import torch

from chop.ir.graph import MaseGraph
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    quantize_transform_pass,
    report_graph_analysis_pass,
    report_node_meta_param_analysis_pass,
    report_node_shape_analysis_pass,
    report_node_type_analysis_pass,
    summarize_quantization_analysis_pass,
)
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, FLOAT, Chain


@pytest.fixture
def texts(shared_dir):
    return shared_dir / "reference" / "text"


@pytest.fixture
def graph():
    made = MaseGraph(Chain().eval())  # the same layers as jsc-tiny
    add_common_metadata_analysis_pass(made, {"dummy_in": {"x": torch.zeros(8, 16)}, "add_value": False})
    return add_software_metadata_analysis_pass(made)[0]


def logged(caplog):
    return "".join(f"{record.levelname} {record.name}: {record.getMessage()}\n" for record in caplog.records)


def test_report_graph(texts, graph, tmp_path, capsys):
    report_graph_analysis_pass(graph, {"file_name": tmp_path / "report.txt"})
    written = (tmp_path / "report.txt").read_text()
    assert written == (texts / "report_graph.jsc-tiny.txt").read_text()
    report_graph_analysis_pass(graph)
    assert capsys.readouterr().out == f"{written}\n"


@pytest.mark.parametrize(
    ("which", "name"),
    [
        (("all",), "all"),
        (["common"], "common"),
        (("common", "software"), "common-software"),
        (("software",), "software"),
    ],
)
def test_report_node_meta_param(texts, graph, tmp_path, which, name):
    path = tmp_path / "report.txt"
    report_node_meta_param_analysis_pass(graph, {"which": which, "save_path": path})
    assert path.read_text() == (texts / f"report_node_meta_param.jsc-tiny.{name}.txt").read_text()


@pytest.mark.parametrize("bad", ["all", ("comon",), (), None])
def test_bad_which(graph, bad):
    with pytest.raises(ConfigError, match="which"):
        report_node_meta_param_analysis_pass(graph, {"which": bad})


def test_report_node_type(texts, graph, caplog):
    with caplog.at_level(logging.INFO, "chop"):
        report_node_type_analysis_pass(graph)
    assert logged(caplog) == (texts / "report_node_type.jsc-tiny.txt").read_text()


def test_report_node_shape(texts, graph, caplog):
    with caplog.at_level(logging.INFO, "chop"):
        report_node_shape_analysis_pass(graph)
    assert logged(caplog).strip() == (texts / "report_node_shape.jsc-tiny.txt").read_text().strip()


def test_summary(texts, graph, caplog, tmp_path):
    quantized = MaseGraph(Chain().eval())
    quantize_transform_pass(
        quantized, {"by": "type", "default": {"config": FLOAT}, "linear": {"config": EIGHT}}
    )
    with caplog.at_level(logging.DEBUG, "chop.passes"):
        summarize_quantization_analysis_pass(graph, quantized, tmp_path)
    assert logged(caplog) == (texts / "summarize_quantization.jsc-tiny.txt").read_text()
    for kind in ("table", "histogram"):
        written = (tmp_path / f"quantize_{kind}.csv").read_text()
        assert written == (texts / f"quantize_{kind}.jsc-tiny.csv").read_text()


def test_reports_need_metadata():
    with pytest.raises(ConfigError, match="run add_common_metadata first"):
        report_node_type_analysis_pass(MaseGraph(Chain()))
