"""Writes the files of this folder with the chop that is installed: ``python -m tests.assets.write VERSION``.

Run once a release, into a folder of that version; files of earlier ones stay as they are.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

CONFIG = """
model = "jsc-tiny"
dataset = "d.npz"
num_workers = 0
accelerator = "cpu"
project = "p"
[passes.quantize]
by = "type"
default.config.name = "NA"
linear.config = { name = "integer", data_in_width = 8, data_in_frac_width = 4, weight_width = 4, weight_frac_width = 2 }
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
seed.default.config.name = ["NA"]
seed.linear.config.name = ["integer"]
seed.linear.config.data_in_width = [4, 8]
seed.linear.config.data_in_frac_width = [3]
seed.linear.config.weight_width = [4, 8]
seed.linear.config.weight_frac_width = [3]
[search.strategy]
name = "optuna"
sw_runner.basic_evaluation = { data_loader = "val_dataloader", num_samples = 60 }
hw_runner.average_bitwidth.compare_to = 32
setup = { n_trials = 4, sampler = "random" }
metrics.accuracy.scale = 1.0
metrics.average_bitwidth.scale = 0.2
"""
SWEEP = CONFIG.replace('name = "optuna"', 'name = "exhaustive"').replace(
    'setup = { n_trials = 4, sampler = "random" }', "setup = { n_jobs = 1 }"
)
KEPT = """last.ckpt metrics.csv graph_module.mz state_dict.pt node_meta_param.toml
    best.json study_journal.log sweep.parquet"""

SWEEP_WORDS = ["search", "--config", "s.toml", "--cpu", "0", "--project", "s"]


def rows() -> tuple[np.ndarray, np.ndarray]:
    """300 rows of five classes."""
    return np.random.default_rng(0).standard_normal((300, 16)).astype("f4"), np.arange(300) % 5


def write(target: Path) -> None:
    """Train, transform and search, and keep one file of each kind in ``target``."""
    from chop.cli.app import main

    here, target = Path.cwd(), target.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            x, y = rows()
            np.savez("d.npz", x=x, y=y)
            Path("c.toml").write_text(CONFIG)
            Path("s.toml").write_text(SWEEP)
            rest = ["--config", "c.toml", "--cpu", "0"]
            train = ["train", "jsc-tiny", "d.npz", "--max-epochs", "1", "--accelerator", "cpu", "--cpu", "0"]
            for words in ([*train, "--project", "p"], ["transform", *rest], ["search", *rest], SWEEP_WORDS):
                with contextlib.redirect_stdout(io.StringIO()):
                    assert main(words) == 0, words
            found = [*Path("mase_output/p").rglob("*"), *Path("mase_output/s").rglob("sweep.parquet")]
            target.mkdir(parents=True, exist_ok=True)
            for path in found:
                if path.name in KEPT.split():
                    shutil.copyfile(path, target / path.name)
        finally:
            os.chdir(here)


if __name__ == "__main__":
    write(Path(__file__).parent / sys.argv[1])
