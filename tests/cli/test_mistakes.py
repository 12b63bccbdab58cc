"""What people mistype: one sentence that says what is wrong and what is right, exit code 2, nothing written."""

from __future__ import annotations

import pytest

from tests.cli.test_strategy_word import CONFIG

QUANTIZE = """
model = "jsc-tiny"
[passes.quantize]
by = "type"
default.config.name = "NA"
linear.config = { name = "integer", data_in_width = 8, data_in_frac_width = 4, weight_width = 8, weight_frac_width = 4 }
"""
D = "SMALL"  # stands for a small data file

# words -> what the one line must hold
WORDS = {
    "nothing": ([], "an action is needed: one of train, test, transform, search"),
    "trian jsc-tiny SMALL": (["trian", "jsc-tiny", D], "got 'trian' (did you mean 'train'?)"),
    "simulate": (["simulate", "jsc-tiny", D], "chop generates no hardware"),
    "no model": (["train"], "model is needed: ch train MODEL DATASET"),
    "no data set": (["train", "jsc-tiny"], "dataset is needed"),
    "model misspelt": (
        ["train", "jsc-tinny", D],
        "model 'jsc-tinny' is not known (did you mean 'jsc-tiny'?)",
    ),
    "data set misspelt": (
        ["train", "jsc-tiny", "jsc-synt"],
        "'jsc-synt' is not known (did you mean 'jsc-synth'?)",
    ),
    "four words": (["train", "jsc-tiny", D, "more"], "unexpected argument 'more'"),
    "--lr": (["train", "jsc-tiny", D, "--lr", "0.1"], "'--lr' (did you mean '--learning-rate'?)"),
    "--lr=": (["train", "jsc-tiny", D, "--lr=0.1"], "'--lr' (did you mean '--learning-rate'?)"),
    "--epochs": (["train", "jsc-tiny", D, "--epochs", "3"], "(did you mean '--max-epochs'?)"),
    "--optimizer": (["train", "jsc-tiny", D, "--optimizer", "sgd"], "(did you mean '--training-optimizer'?)"),
    "--device": (["train", "jsc-tiny", D, "--device", "cpu"], "(did you mean '--accelerator'?)"),
    "--checkpoint": (["test", "jsc-tiny", D, "--checkpoint", "a.ckpt"], "(did you mean '--load'?)"),
    "--bach-size": (["train", "jsc-tiny", D, "--bach-size", "3"], "(did you mean '--batch-size'?)"),
    "an action's option": (
        ["eval", "jsc-tiny", D, "--project-dir", "a"],
        "eval has no option '--project-dir', it is one of ch train, ch test, ch transform, ch search",
    ),
    "a command's option": (["train", "jsc-tiny", D, "--rows", "3"], "option '--rows' is one of ch "),
    "a value is missing": (["train", "jsc-tiny", D, "--batch-size"], "--batch-size: expected one argument"),
    "batch size 0": (["train", "jsc-tiny", D, "--batch-size", "0"], "--batch-size must be an integer in 1.."),
    "batch size 1.5": (
        ["train", "jsc-tiny", D, "--batch-size", "1.5"],
        "--batch-size must be an integer in 1..2147483647, got '1.5'",
    ),
    "batch size in words": (["train", "jsc-tiny", D, "--batch-size", "big"], "got 'big'"),
    "rate in words": (["train", "jsc-tiny", D, "--learning-rate", "fast"], "must be a number in 0..1000000"),
    "rate of 0": (["train", "jsc-tiny", D, "--learning-rate", "0"], "learning_rate must be a number above 0"),
    "rate below 0": (["train", "jsc-tiny", D, "--learning-rate", "-1"], "must be a number in 0.."),
    "rate nan": (["train", "jsc-tiny", D, "--learning-rate", "nan"], "must be a number in 0.."),
    "optimizer": (["train", "jsc-tiny", D, "--training-optimizer", "adan"], "(did you mean 'adam'?)"),
    "scheduler": (["train", "jsc-tiny", D, "--lr-scheduler", "cosinus"], "(did you mean 'cosine'?)"),
    "task": (["train", "jsc-tiny", D, "--task", "clas"], "(did you mean 'cls'?)"),
    "accelerator": (["train", "jsc-tiny", D, "--accelerator", "cpuu"], "(did you mean 'cpu'?)"),
    "level": (["train", "jsc-tiny", D, "--log-level", "warn"], "--log-level must be one of"),
    "engine": (["train", "jsc-tiny", D, "--engine", "nativ"], "(did you mean 'native'?)"),
    "strategy of a training": (["train", "jsc-tiny", D, "--strategy", "tpe"], "for train, got 'tpe'"),
    "seed": (["train", "jsc-tiny", D, "--seed", "-1"], "--seed must be an integer in 0..4294967295"),
    "grid": (["train", "jsc-tiny", D, "--grid", "learning_rat=1,2"], "(did you mean 'learning_rate'?)"),
    "grid without values": (["train", "jsc-tiny", D, "--grid", "batch_size"], "batch_size"),
    "grid and resume": (
        ["train", "jsc-tiny", D, "--grid", "batch_size=1,2", "--resume"],
        "the same grid again goes on",
    ),
    "grid of a test": (
        ["test", "jsc-tiny", D, "--pretrained", "--grid", "batch_size=1,2"],
        "grid belongs to train",
    ),
    "test without weights": (
        ["test", "jsc-tiny", D],
        "test needs weights: --load CHECKPOINT or --pretrained",
    ),
    "a checkpoint that is not there": (
        ["test", "jsc-tiny", D, "--load", "best.ckpt"],
        "'best.ckpt' does not exist",
    ),
    "a folder for a checkpoint": (["test", "jsc-tiny", D, "--load", "."], "is a folder, not a file"),
    "hf": (["test", "jsc-tiny", D, "--load", "x", "--load-type", "hf"], "allowed: mz, pt, pl"),
    "type of a checkpoint": (
        ["test", "jsc-tiny", D, "--load", "x", "--load-type", "ckpt"],
        "one of mz, pt, pl, hf",
    ),
    "transform without a config": (["transform", "jsc-tiny", D], "--config FILE.toml"),
    "search without a config": (["search", "jsc-tiny", D], "search needs a config with the table [search]"),
    "a config that is not there": (["search", "--config", "gone.toml"], "'gone.toml'"),
    "project elsewhere": (
        ["train", "jsc-tiny", D, "--project", "../up"],
        "name of one folder inside project_dir",
    ),
    "info": (["--info", "models"], "did you mean 'model'"),
    "eval without a model": (["eval"], "eval needs a model"),
    "eval of other rows": (
        ["eval", "jsc-tiny", D, "--rows", "testing"],
        "--rows must be one of train, val, test",
    ),
    "eval of an unknown metric": (["eval", "jsc-tiny", D, "--metrics", "acuracy"], "did you mean 'accuracy'"),
    "export to nowhere": (["export", "jsc-tiny", D, "--to", "onnxx"], "onnx"),
    "report of nothing": (["report", "nowhere"], "nowhere"),
    "a shell": (["completion", "basch"], "(did you mean 'bash'?)"),
    "runs of nothing": (["runs", "nowhere"], "there is no folder 'nowhere'"),
    "a model of no file": (["train", "net.py:Net", D], "no file 'net.py'"),
    "an import of no file": (["train", "jsc-tiny", D, "--import", "mine.py"], "no file 'mine.py'"),
}
# change of a config -> what the one line must hold, besides the file
TABLES = {
    "strategy": ('name = "optuna"', 'name = "optunna"', "(did you mean 'optuna'?)"),
    "sampler": ('sampler = "tpe"', 'sampler = "tpee"', "(did you mean 'tpe'?)"),
    "key of the set-up": ("n_trials", "n_trails", "n_trails is not known (did you mean 'n_trials'?)"),
    "metric": ("accuracy = {}", "acuracy = {}", "(did you mean 'accuracy'?)"),
    "direction": ("accuracy = {}", 'accuracy.direction = "up"', "must be one of minimize, maximize"),
    "width": ("weight_width = [3, 4, 6]", "weight_width = [3, 4.0]", "4.0, which is not an integer"),
    "width beyond": ("weight_width = [3, 4, 6]", "weight_width = [3, 60]", "must be 1..32, got 60"),
    "layer": ("seed.linear", "seed.liner", "(did you mean 'linear'?)"),
    "table": ("[search.strategy.metrics]", "[search.stratgy.metrics]", "stratgy"),
    "option": ("is_pretrained", "pretrained", "unknown key 'pretrained' (did you mean 'is_pretrained'?)"),
    "by": ('setup.by = "type"', 'setup.by = "typ"', "(did you mean 'type'?)"),
    "not TOML": ("[search.search_space]", "[search.search_space", "s.toml"),
}


def test_there_are_as_many_as_promised():
    assert len(WORDS) + len(TABLES) >= 58


@pytest.mark.parametrize("case", WORDS)
def test_words(case, ch, small_data):
    words, said = WORDS[case]
    ch(*[small_data if word == D else word for word in words]).is_refused(said)


@pytest.mark.parametrize("case", TABLES)
def test_tables(case, ch, tmp_path, small_data):
    right, wrong, said = TABLES[case]
    assert right in CONFIG
    (tmp_path / "s.toml").write_text(CONFIG.replace(right, wrong, 1))
    ch("search", "jsc-tiny", small_data, "--config", "s.toml").is_refused("s.toml", said)
