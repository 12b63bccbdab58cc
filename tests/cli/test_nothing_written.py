"""Every value is checked before the first folder is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TRAIN = ["--max-epochs", "1", "--accelerator", "cpu", "--cpu", "0", "--project", "p"]
# What the merging of options alone cannot know: words -> what the one line says.
REFUSED = {
    "no rate": (["--learning-rate", "0"], "learning_rate must be a number above 0"),
    "momentum of adam": (["--momentum", "0.9"], "momentum is an option of the optimizer 'sgd'"),
    "momentum 1": (["--training-optimizer", "sgd", "--momentum", "1"], "below 1"),
    "nesterov": (["--training-optimizer", "sgd", "--momentum", "0", "--nesterov"], "nesterov needs"),
    "16-bit floats natively": (["--engine", "native", "--trainer-precision", "bf16"], "engine 'native'"),
    "grid with no rate": (["--grid", "learning_rate=0,1e-3"], "learning_rate must be a number above 0"),
    "grid with an unknown axis": (["--grid", "learning_rat=1e-3"], "did you mean 'learning_rate'"),
    "grid with no rows in a batch": (["--grid", "batch_size=0"], "batch_size"),
    "grid with a word": (["--grid", "max_epochs=few"], "max_epochs"),
    "scaler": (["--scaler", "gone.npz"], "gone.npz"),
    "weights": (["--load", "gone.pt", "--load-type", "pt"], "gone.pt"),
    "quantization": (["--quant-config", "gone.toml"], "gone.toml"),
    "strategy": (["--strategy", "dpp"], "did you mean 'ddp'"),
    "scheduler": (["--lr-scheduler", "cosin"], "did you mean 'cosine'"),
    "optimizer": (["--training-optimizer", "adm"], "did you mean 'adam'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_training(case: str, ch: Any, small_data: Path) -> None:
    words, said = REFUSED[case]
    ch("train", "jsc-tiny", small_data, *TRAIN, *words).is_refused(said)


SEARCH = """
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
seed.default.config.name = ["NA"]
[search.search_space.seed.linear.config]
name = ["integer"]
data_in_width = [4, 8]
data_in_frac_width = [3]
weight_width = [4, 8]
weight_frac_width = [3]
[search.strategy]
name = "optuna"
setup = { n_trials = 2, sampler = "random" }
sw_runner.basic_evaluation = { data_loader = "val_dataloader", num_samples = 60 }
hw_runner.average_bitwidth.compare_to = 32
metrics.accuracy.scale = 1.0
"""
QUANTIZE = """
[passes.quantize]
by = "type"
default.config.name = "NA"
linear.config = { name = "integer", data_in_width = 8, data_in_frac_width = 4, weight_width = 8, weight_frac_width = 4 }
"""
CHANGES = {
    "random": ("randm", "did you mean 'random'"),
    "val_dataloader": ("val_dataloadr", "did you mean 'val_dataloader'"),
    "metrics.accuracy": ("metrics.acuracy", "did you mean 'accuracy'"),
    "weight_width = [4, 8]": ("weight_width = [4, 80]", "weight_width"),
    "linear.config]": ("liner.config]", "did you mean 'linear'"),
    "weight_width = 8": ("weight_width = 0", "weight_width"),
    "compare_to": ("compare_too", "did you mean 'compare_to'"),
    'by = "type"\ndefault': ('bye = "type"\ndefault', "did you mean 'by'"),
}


@pytest.mark.parametrize("action", ["train", "transform", "search"])
@pytest.mark.parametrize("change", CHANGES)
def test_tables(change: str, action: str, ch: Any, small_data: Path, tmp_path: Path) -> None:
    """Also in the table that the action does not run."""
    wrong, said = CHANGES[change]
    text = SEARCH + QUANTIZE
    assert change in text
    (tmp_path / "a.toml").write_text(text.replace(change, wrong, 1))
    ch(action, "jsc-tiny", small_data, "--config", "a.toml", *TRAIN).is_refused("a.toml", said)


def test_the_same_without_a_slip(ch: Any, small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(SEARCH + QUANTIZE)
    for action in ("train", "transform", "search"):
        assert ch(action, "jsc-tiny", small_data, "--config", "a.toml", *TRAIN).code == 0
