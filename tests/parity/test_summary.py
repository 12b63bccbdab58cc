"""The tables of quantized nodes, in the log and as csv, against recorded ones."""

from __future__ import annotations

import logging

import pytest

from chop.ir.graph import MaseGraph
from chop.passes import quantize_transform_pass, summarize_quantization_analysis_pass
from tests.ir.models import EIGHT, FLOAT
from tests.parity.test_metadata import build_from_record, load

# What was quantized in each recorded run, as its table shows.
QUANTIZED = {
    "jsc-tiny": ("linear",),
    "jsc-toy": ("linear", "relu"),
    "conv1d-residual": ("linear", "relu", "conv1d"),
}


def say_that_functions_changed(text: str, name: str) -> str:
    """MASE compares Python types and so calls a quantized F.relu unchanged; here it counts as changed."""
    if name != "conv1d-residual":
        return text
    replacements = {
        "| relu_integer      | False ": "| relu_integer      | True  ",
        "relu_integer,False": "relu_integer,True",
        "| relu              | relu                |       1 |         0 |           1 ": (
            "| relu              | relu                |       1 |         1 |           0 "
        ),
        "relu,relu,1,0,1": "relu,relu,1,1,0",
    }
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("name", QUANTIZED)
def test_tables(shared_dir, name, caplog, tmp_path):
    record, arrays = load(shared_dir, name)
    graphs = [MaseGraph(build_from_record(record, arrays)) for _ in range(2)]
    rules = {op: {"config": EIGHT} for op in QUANTIZED[name]}
    quantize_transform_pass(graphs[1], {"by": "type", "default": {"config": FLOAT}, **rules})
    with caplog.at_level(logging.DEBUG, "chop.passes"):
        summarize_quantization_analysis_pass(*graphs, tmp_path)
    log = "".join(f"{line.levelname} {line.name}: {line.getMessage()}\n" for line in caplog.records)
    texts = shared_dir / "reference" / "text"
    recorded = (texts / f"summarize_quantization.{name}.txt").read_text()
    assert log == say_that_functions_changed(recorded, name)
    for kind in ("table", "histogram"):
        recorded = (texts / f"quantize_{kind}.{name}.csv").read_text()
        written = (tmp_path / f"quantize_{kind}.csv").read_text()
        assert written == say_that_functions_changed(recorded, name)
