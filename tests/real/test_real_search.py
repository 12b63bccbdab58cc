"""The whole road on real jets and real weights: `ch search --load … --data-dir …` finds a small configuration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import pytest
import torch

from chop import Evaluator
from chop.cli.app import main
from chop.dataset import MaseDataModule
from chop.models import get_model

CERNBOX_NAME = "processed-pythia82-lhc13-all-pt1-50k-r1_h022_e0175_t220_nonu_truth.z"
CONFIG = """
model = "jsc-mlp"
dataset = "jsc"
task = "cls"
accelerator = "cpu"
project = "real-jets"
class_order = "gqtwz"
split = "all"
seed = 1

[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
[search.search_space.seed.default.config]
name = ["NA"]
[search.search_space.seed.linear.config]
name = ["integer"]
data_in_width = [8, 10]
data_in_frac_width = [4, 5]
weight_width = [5, 6, 7, 8]
weight_frac_width = [4, 5]
bias_width = [8]
bias_frac_width = [5]

[search.strategy]
name = "optuna"
eval_mode = true
sw_runner.basic_evaluation = { data_loader = "val_dataloader", num_samples = 1000 }
hw_runner.average_bitwidth.compare_to = 32
setup = { n_jobs = 1, n_trials = 100, timeout = 600, sampler = "tpe", sum_scaled_metrics = false }
metrics.accuracy = { scale = 1.0, direction = "maximize" }
metrics.average_bitwidth = { scale = 1.0, direction = "minimize" }
"""


@pytest.fixture
def real_folder(shared_dir: Path, tmp_path: Path) -> Path:
    """A data folder as a user has it, and the tutorial's weights as a torch state dict."""
    shutil.copy(shared_dir / "data" / "jsc-1000-cernbox-layout.h5", tmp_path / CERNBOX_NAME)
    model = get_model("jsc-mlp")
    linears = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    with h5py.File(shared_dir / "data" / "hls4ml-tutorial-model_1-best.h5") as file:
        names = ["fc1", "fc2", "fc3", "output"]
        for name, linear in zip(names, linears, strict=True):
            group = file["model_weights"][name][name]
            linear.weight.data.copy_(torch.from_numpy(group["kernel:0"][()].T))
            linear.bias.data.copy_(torch.from_numpy(group["bias:0"][()]))
    torch.save(model.state_dict(), tmp_path / "tutorial.pt")
    (tmp_path / "real.toml").write_text(CONFIG)
    return tmp_path


def test_search_on_real_jets(real_folder: Path, shared_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scaler = shared_dir / "data" / "jsc-openml-marginals.npz"
    output = real_folder / "out"
    code = main(
        ["search", "--config", str(real_folder / "real.toml"), "--load", str(real_folder / "tutorial.pt"),
         "--load-type", "pt", "--data-dir", str(real_folder), "--scaler", str(scaler), "--project-dir", str(output)]
    )  # fmt: skip
    printed = capsys.readouterr()
    assert code == 0, printed.err
    best = json.loads((output / "real-jets" / "software" / "search_ckpts" / "best.json").read_text())
    module = MaseDataModule("jsc", 512, data_dir=real_folder, class_order="gqtwz", split="all", scaler=scaler)
    module.prepare_data()
    module.setup()
    model = get_model("jsc-mlp")
    model.load_state_dict(torch.load(real_folder / "tutorial.pt", weights_only=True))
    evaluator = Evaluator(model.eval(), *module.arrays("val"))
    float_accuracy = evaluator.evaluate().accuracy
    assert evaluator.evaluate().correct == 786
    good = [
        trial
        for trial in best.values()
        if trial["software_metrics"]["accuracy"] >= float_accuracy - 0.01
        and trial["hardware_metrics"]["average_bitwidth"] < 8
    ]
    assert good, best
    shown = f"{good[0]['hardware_metrics']['average_bitwidth']:.5g}"  # the table's digits
    assert "Best trial(s):" in printed.out + printed.err and shown in printed.out + printed.err

    # The file's config can be handed to the evaluator as it is, and gives what the search said.
    again = evaluator.evaluate(good[0]["sampled_config"])
    assert again.accuracy == pytest.approx(good[0]["software_metrics"]["accuracy"], abs=1e-9)
