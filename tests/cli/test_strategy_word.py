"""``ch search --strategy NAME``: one word instead of an edited file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path("mase_output/p/software/search_ckpts")
CONFIG = """
model = "jsc-tiny"
is_pretrained = true
project = "p"
num_workers = 0
accelerator = "cpu"
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
seed.default.config.name = ["NA"]
[search.search_space.seed.linear.config]
name = ["integer"]
data_in_width = [8]
data_in_frac_width = [4]
weight_width = [3, 4, 6]
weight_frac_width = [2, 4]
bias_width = [8]
bias_frac_width = [4]
[search.strategy]
name = "optuna"
setup = { n_trials = 4, timeout = 60, sampler = "tpe", multivariate = true }
[search.strategy.metrics]
accuracy = {}
average_bitwidth = {}
"""


@pytest.mark.parametrize(
    ("word", "trials", "noted"),
    [
        ("exhaustive", 6, "n_trials, timeout, sampler, multivariate of the strategy optuna"),
        ("native-tpe", 4, "multivariate are options of tpe: native-tpe goes without them"),
        ("random", 4, "multivariate are options of tpe"),
        ("Brute_Force", 4, "multivariate are options of tpe"),
    ],
)
def test_one_word_runs_another_strategy(ch, tmp_path, small_data, word, trials, noted):
    (tmp_path / "s.toml").write_text(CONFIG)
    done = ch("search", "jsc-tiny", small_data, "--config", "s.toml", "--strategy", word)
    assert done.code == 0, done.err
    assert noted in done.err
    assert len(json.loads((tmp_path / FOLDER / "log.json").read_text())) == trials
    assert (tmp_path / FOLDER / "best.json").is_file()


def test_the_files_own_strategy_serves_without_the_word(ch, tmp_path, small_data):
    (tmp_path / "s.toml").write_text(CONFIG)
    done = ch("search", "jsc-tiny", small_data, "--config", "s.toml", "--strategy", "ddp")  # MASE's word
    assert done.code == 0, done.err
    assert "study search-" in done.out and "goes without" not in done.err


def test_other_words_are_refused(ch, tmp_path, small_data):
    (tmp_path / "s.toml").write_text(CONFIG)
    run = ("search", "jsc-tiny", small_data, "--config", "s.toml", "--strategy")
    ch(*run, "exhaustiv").is_refused("--strategy must be one of", "did you mean 'exhaustive'")
    ch("train", "jsc-tiny", small_data, "--strategy", "exhaustive").is_refused("for train", "'exhaustive'")
    (tmp_path / "s.toml").write_text('strategy = "nativ-tpe"\n' + CONFIG)
    ch("search", "jsc-tiny", small_data, "--config", "s.toml").is_refused(
        "s.toml: strategy must be one of", "native-tpe"
    )


def test_a_training_that_learned_nothing_says_so(ch, small_data):
    words = ("train", "jsc-tiny", small_data, "--accelerator", "cpu", "--cpu=0", "--batch-size", 32)
    done = ch(*words, "--max-epochs", 1, "--learning-rate", 1e-9, "--seed", 3)
    assert done.code == 0 and "about that of guessing among 5 classes (0.200)" in done.err
    done = ch(*words, "--max-epochs", 30, "--learning-rate", 1e-2, "--project", "good")
    assert done.code == 0 and "guessing" not in done.err
