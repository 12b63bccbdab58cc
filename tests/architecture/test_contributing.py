"""The examples of "how to add" are one file of a user's, and `--import` makes all of it work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.architecture.markdown import blocks, run_python

RUN_CH = "import sys\nfrom chop.cli.app import main\nsys.exit(main(sys.argv[1:]))\n"
CONFIG = """
model = "lab-mlp"
dataset = "lab-rings"
task = "cls"
project = "lab"
batch_size = 100
num_workers = 0
accelerator = "cpu"
import = ["lab.py"]

[passes.quantize]
by = "type"
[passes.quantize.default.config]
name = "NA"
[passes.quantize.linear.config]
name = "trunc"
data_in_width = 8
data_in_frac_width = 4
weight_width = 8
weight_frac_width = 4
[passes.count_linear]

[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
seed.default.config.name = ["NA"]
seed.linear.config.name = ["integer"]
seed.linear.config.data_in_width = [8]
seed.linear.config.data_in_frac_width = [4]
seed.linear.config.weight_width = [3, 4, 8]
seed.linear.config.weight_frac_width = [2, 3]

[search.strategy]
name = "optuna"
eval_mode = true
setup = { n_jobs = 1, n_trials = 8, timeout = 100, sampler = "lab-sampler", sum_scaled_metrics = false }
sw_runner.basic_evaluation = { num_samples = 400 }
hw_runner.average_bitwidth = { compare_to = 32 }
metrics.accuracy = { scale = 1.0, direction = "maximize" }
metrics.bits_times_loss = { scale = 1.0, direction = "minimize" }
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with the page's examples as one plugin and a config that uses each."""
    examples = blocks("CONTRIBUTING.md", "python")
    assert len(examples) == 9
    (tmp_path / "lab.py").write_text("\n\n".join(examples), encoding="utf-8")
    (tmp_path / "lab.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def test_model_data_metric_and_sampler_serve_a_search(lab: Path) -> None:
    run_python(RUN_CH, lab, "search", "--config", "lab.toml")
    log = json.loads((lab / "mase_output/lab/software/search_ckpts/log.json").read_text())
    assert len(log) == 8
    assert "bits_times_loss" in json.dumps(log)


def test_quantizer_and_pass_serve_a_transform(lab: Path) -> None:
    run_python(RUN_CH, lab, "transform", "--config", "lab.toml")
    table = (lab / "mase_output/lab/software/transform/quantize/quantize_table.csv").read_text()
    assert table.count("LinearTrunc") == 2


def test_a_picture_has_values_and_unit(lab: Path) -> None:
    check = """
ax = spread([3.0, 1.0, 2.0], "loss")
print(ax.lines[0].get_ydata().tolist(), ax.get_ylabel())
"""
    printed = run_python((lab / "lab.py").read_text() + check, lab)
    assert printed.strip() == "[1.0, 2.0, 3.0] loss [nat]"


def test_quantizer_rounds_towards_zero_and_passes_gradients(lab: Path) -> None:
    check = """
import torch
from chop.nn.quantized.modules import quantized_module_map
x = torch.tensor([0.99, -0.01, 100.0], requires_grad=True)
spec = QUANTIZERS["trunc"]
y = spec.quantizer(spec.parse_operand("data_in", True, {"width": 4, "frac_width": 1}, ""))(x)
y.sum().backward()
print(y.tolist(), x.grad.tolist(), quantized_module_map["relu_trunc"].__name__)
"""
    printed = run_python((lab / "lab.py").read_text() + check, lab)
    assert printed.strip() == "[0.5, 0.0, 3.5] [1.0, 1.0, 1.0] ReLUTrunc"


def test_an_export_format_is_proven(lab: Path) -> None:
    script = """
import chop, torch
from torch import nn
import lab
table = {"name": "integer", "data_in_width": 6, "data_in_frac_width": 3, "weight_width": 6, "weight_frac_width": 4}
config = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": table}}
made = chop.export(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), config, "lab-widths", "out", x=torch.randn(50, 4))
assert made.equal, made
print(made.path.read_text())
"""
    assert "_0 " in run_python(script, lab)
